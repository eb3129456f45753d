import { type Clock, repeat } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import { KEYS_READ_EVERY_MS, type KeptRowKeys } from './row-keys.ts';

/** Reads the key folder again and again until the signal; a mistake in it leaves the keys as they were and is told every time. */
export const keepRowKeys = (
  keys: KeptRowKeys,
  { signal, clock, log }: { readonly signal: AbortSignal; readonly clock: Clock; readonly log: Log },
): void => {
  repeat({
    clock,
    everyMs: KEYS_READ_EVERY_MS,
    signal,
    task: async () => {
      if (keys.refresh()) log.info({ current: keys.current.id, keys: keys.ids() }, 'the row keys have changed');
    },
    onError: (error) => log.error({ err: error }, 'the key folder is wrong; the row keys stay as they were'),
  }).catch((error: unknown) => log.error({ err: error }, 'the key folder is read no more'));
};
