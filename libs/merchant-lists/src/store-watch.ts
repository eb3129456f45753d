import { type Clock, repeat } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import type { ListStatus, ListStore } from './list-store.ts';

const usableGauge = gauge('tillmesh_lists_usable', '1 while lists are answered by their own store.');
const lagGauge = gauge(
  'tillmesh_lists_lag_ms',
  'How far the store of lists is behind the order group that it is furthest behind.',
);

/** Whether lists may be read from the store, known without asking it. */
export type StoreWatch = {
  /** The generation that is whole and near enough; undefined while readers have to ask the groups. */
  usable(): number | undefined;
  /**
   * How far a status that was just read is behind, ms; undefined where it must not be used: a rebuild is or was under way, or it is
   * too far behind.
   */
  lagOf(status: ListStatus, generation: number): number | undefined;
  /** A reader failed: nobody asks again before a look has succeeded. */
  failed(error: unknown): void;
  /** Looks once. */
  look(): Promise<void>;
  close(): void;
};

/**
 * How far lists are behind, ms: nothing of a group is missing that was committed so long ago. Infinity where a group was never
 * followed to its end.
 */
export const lagMsOf = (status: ListStatus, tags: readonly GroupTag[], nowMs: number): number =>
  tags.reduce((most, tag) => {
    const completeAtMs = status.completeAtMs.get(tag);
    return completeAtMs === undefined ? Number.POSITIVE_INFINITY : Math.max(most, nowMs - completeAtMs);
  }, 0);

/**
 * Starts to watch the store. A breaker: it opens with the first failure, or when the store is too far behind or is being rebuilt, and
 * only a look that finds everything in order closes it. While it is open nobody waits for the store.
 */
export const watchStore = (options: {
  readonly store: Pick<ListStore, 'status'>;
  /** The groups whose payments have to be in the lists. */
  readonly tags: () => readonly GroupTag[];
  readonly lagMsMax: number;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Log;
}): StoreWatch => {
  const { store, tags, lagMsMax, everyMs, clock, log } = options;
  const stop = new AbortController();
  let generation: number | undefined;
  let reason = 'it was not looked at yet';

  const open = (why: string): void => {
    if (generation !== undefined) log.warn({ why }, 'lists are answered by the order groups');
    generation = undefined;
    reason = why;
    usableGauge.set({}, 0);
  };

  const lagOf: StoreWatch['lagOf'] = (status, before) => {
    if (status.phase !== 'live' || status.generation !== before) return undefined;
    const lagMs = lagMsOf(status, tags(), clock.nowMs());
    return lagMs <= lagMsMax ? lagMs : undefined;
  };

  const look = async (): Promise<void> => {
    try {
      const status = await store.status();
      const lagMs = lagMsOf(status, tags(), clock.nowMs());
      lagGauge.set({}, lagMs);
      if (status.phase !== 'live') open('a rebuild is under way');
      else if (lagMs > lagMsMax) open(`it is ${lagMs} ms behind, at most ${lagMsMax} are allowed`);
      else {
        if (generation === undefined) log.info({ was: reason }, 'lists are answered by their own store');
        generation = status.generation;
        usableGauge.set({}, 1);
      }
    } catch (error) {
      open(error instanceof Error ? error.message : String(error));
    }
  };

  repeat({
    clock,
    everyMs,
    signal: stop.signal,
    task: () => withoutSpans(look),
    onError: (error) => log.error({ err: error }, 'could not look at the store of lists'),
  }).catch((error: unknown) => log.error({ err: error }, 'the watch over the store of lists ended'));

  return {
    usable: () => generation,
    lagOf,
    failed: (error) => open(error instanceof Error ? error.message : String(error)),
    look,
    close: () => stop.abort(new Error('the watch was closed')),
  };
};
