import { type Clock, repeat } from '@tillmesh/clock';
import { z } from '@tillmesh/config';
import type { GroupTag } from '@tillmesh/domain';
import type { ListStore } from '@tillmesh/merchant-lists';
import {
  CHANGES_READ_MAX,
  type Change,
  type ChangeFeed,
  RANGES_READ_MAX,
  type StreamName,
} from '@tillmesh/order-groups';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import { jobsOf } from './change-jobs.ts';
import type { ChangeQueue } from './change-queue.ts';
import { createStreamPlace, SavedPlace, type StreamPlace } from './stream-place.ts';

const lagGauge = gauge('tillmesh_projection_lag_ms', 'How far the lists are behind a group.', ['group']);
const gapsGauge = gauge('tillmesh_projection_gaps', 'Ids of a group that were passed over and are looked for.', [
  'group',
]);

/** However slow everything is, so many changes are read together. */
const CHANGES_MIN = 32;
const STREAM_NAMES: readonly StreamName[] = ['arrivals', 'changes'];
const SavedPlaces = z.strictObject({ arrivals: SavedPlace, changes: SavedPlace });

export type FollowSettings = {
  /** Between looks at a group that had nothing new, ms. */
  readonly everyMs: number;
  /** Changes that are read and applied together, of each stream. */
  readonly changesMax: number;
  /** Between savings of the place, ms. */
  readonly saveEveryMs: number;
};

type Read = {
  readonly name: StreamName;
  readonly place: StreamPlace;
  readonly behind: readonly Change[];
  readonly fromReplica: boolean;
  readonly ranges: ReturnType<StreamPlace['due']>;
  readonly late: readonly Change[];
};

/**
 * Follows one group: reads what is new, has it applied, and only then goes on from there. Whatever dies in between, the next one begins at
 * the saved place and does some of it again, which changes nothing.
 */
export const followGroup = async (options: {
  readonly tag: GroupTag;
  readonly changes: Pick<ChangeFeed, 'after' | 'within'>;
  readonly store: Pick<ListStore, 'readCursor' | 'saveCursor'>;
  readonly queue: Pick<ChangeQueue, 'done'>;
  readonly settings: FollowSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> => {
  const { tag, changes, store, queue, settings, clock, log, signal } = options;
  let places: Readonly<Record<StreamName, StreamPlace>> | undefined;
  let completeAtMs = 0;
  let savedAtMs = Number.NEGATIVE_INFINITY;
  let wasTrouble = false;
  let limit = settings.changesMax;

  const open = async (): Promise<Readonly<Record<StreamName, StreamPlace>>> => {
    const saved = await store.readCursor(tag);
    const parsed = saved === undefined ? undefined : SavedPlaces.parse(JSON.parse(saved));
    return { arrivals: createStreamPlace(parsed?.arrivals), changes: createStreamPlace(parsed?.changes) };
  };

  const readStream = async (name: StreamName, place: StreamPlace): Promise<Read> => {
    const ranges = place.due(RANGES_READ_MAX, clock.nowMs());
    const [behind, late] = await Promise.all([
      changes.after(tag, name, place.position, limit),
      ranges.length === 0 ? [] : changes.within(tag, name, ranges),
    ]);
    return { name, place, behind: behind.value, fromReplica: behind.fromReplica, ranges, late };
  };

  const note = ({ place, behind, ranges, late }: Read): void => {
    const nowMs = clock.nowMs();
    const found = late.map(({ id }) => id);
    // An answer that was cut says nothing of what is missing in it.
    if (late.length < CHANGES_READ_MAX) place.looked(ranges, found, nowMs);
    place.advance(
      behind.map(({ id }) => id),
      nowMs,
    );
  };

  const save = async (of: Readonly<Record<StreamName, StreamPlace>>): Promise<void> => {
    const nowMs = clock.nowMs();
    lagGauge.set({ group: String(tag) }, nowMs - completeAtMs);
    gapsGauge.set({ group: String(tag) }, of.arrivals.gapCount + of.changes.gapCount);
    if (nowMs - savedAtMs < settings.saveEveryMs) return;
    await store.saveCursor(
      tag,
      JSON.stringify({ arrivals: of.arrivals.toJson(), changes: of.changes.toJson() }),
      completeAtMs,
    );
    savedAtMs = nowMs;
  };

  /** @returns whether more is there at once. */
  const round = async (): Promise<boolean> => {
    places ??= await open();
    const of = places;
    const beganAtMs = clock.nowMs();
    const reads = await Promise.all(STREAM_NAMES.map((name) => readStream(name, of[name])));
    const found = reads.flatMap(({ behind, late }) => [...behind, ...late]);
    if (found.length > 0) await queue.done(jobsOf(tag, found));
    for (const read of reads) note(read);
    const isAll = reads.every(({ behind }) => behind.length < limit);
    // A replica does not know how far it is behind: while the primary is away nobody can say that this is all.
    if (isAll && reads.every(({ fromReplica }) => !fromReplica)) completeAtMs = beganAtMs;
    await save(of);
    limit = Math.min(settings.changesMax, limit * 2);
    if (wasTrouble) log.info({ group: tag }, 'the group is followed again');
    wasTrouble = false;
    return !isAll;
  };

  await repeat({
    clock,
    everyMs: settings.everyMs,
    signal,
    task: () =>
      withoutSpans(async () => {
        while (!signal.aborted && (await round()));
      }),
    onError: (error) => {
      // Where everything is slow, pieces that are never done in time would be begun again for ever.
      limit = Math.max(Math.min(CHANGES_MIN, settings.changesMax), Math.floor(limit / 2));
      // One line for a trouble, not ten a second.
      if (!wasTrouble) log.warn({ err: error, group: tag }, 'the group cannot be followed; its lists fall behind');
      wasTrouble = true;
    },
  });
};
