import type { Clock } from '@tillmesh/clock';

/**
 * Confirms reads: a primary that was replaced keeps answering SELECTs, so a read counts only together with an acknowledged
 * write at the same node that began after the reader asked. One write serves everybody who waits.
 */
export type Heartbeat = {
  /** Resolves when a write that began after this call was acknowledged; rejects when it was not. */
  confirm(): Promise<void>;
};

const GATHER_MS = 2;

/** @param write one acknowledged write at the node. */
export const createHeartbeat = (write: () => Promise<void>, clock: Clock): Heartbeat => {
  let gathering: Promise<void> | undefined;
  return {
    confirm: () => {
      gathering ??= (async () => {
        await clock.sleep(GATHER_MS);
        // From here on the write may have begun: who asks now needs the next one.
        gathering = undefined;
        await write();
      })();
      return gathering;
    },
  };
};
