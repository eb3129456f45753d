import type { Clock } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import type { GroupStatus } from './group-watch.ts';

/** So long an instance waits at its start for the last groups, once another can take orders. */
const GRACE_MS = 5_000;
/** Between looks while some group cannot. */
const AGAIN_MS = 200;

/**
 * Waits until new orders can be written: in every group, or in at least one when the others have not come within 5 s. An instance
 * that was called ready sooner would refuse its first orders.
 *
 * @param signal ends the wait.
 * @param look asks every server once, and takes this instance's place in each group that answers.
 * @param waitsFor told of what is waited for, whenever it looks.
 * @param takesOrders the open groups and whether orders can be written there now.
 */
export const untilOrdersAreTaken = async (options: {
  readonly waitsFor: (what: string) => void;
  readonly look: () => Promise<void>;
  readonly takesOrders: () => readonly { readonly group: GroupStatus; readonly yes: boolean }[];
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<void> => {
  const { waitsFor, look, takesOrders, signal, clock, log } = options;
  const beganMs = clock.monotonicMs();
  while (!signal.aborted) {
    await look();
    const groups = takesOrders();
    const waiting = groups.filter(({ yes }) => !yes).map(({ group: { tag, note } }) => ({ tag, note }));
    if (waiting.length === 0) return;
    const nowMs = clock.monotonicMs();
    if (waiting.length < groups.length && nowMs - beganMs >= GRACE_MS) {
      log.warn({ waiting }, 'begins without groups that do not take orders; look at their servers');
      return;
    }
    const which = waiting.map(({ tag, note }) => `group ${tag} (${note})`).join(', ');
    waitsFor(`no order can be written yet: waits for ${which}`);
    // An abort ends the wait by a rejection; the loop’s condition sees it.
    await clock.sleep(AGAIN_MS, signal).catch(() => undefined);
  }
};
