import { type Clock, repeat } from '@tillmesh/clock';
import { z } from '@tillmesh/config';
import type { GroupTag } from '@tillmesh/domain';
import { type Log, withoutSpans } from '@tillmesh/telemetry';
import { CHANGES_READ_MAX, type Change, type ChangeFeed, RANGES_READ_MAX } from '../change-feed.ts';
import type { StreamName } from '../list-statements.ts';
import { createStreamPlace, SavedPlace, type StreamPlace } from './stream-place.ts';

/** However slow everything is, so many changes are read together. */
const CHANGES_MIN = 32;
const SavedPlaces = z.partialRecord(z.enum(['arrivals', 'changes']), SavedPlace);

/** Where a follower keeps how far it has come. A text that is written back as it was read. */
export type FollowerPlaces = {
  /** What was saved for a group; undefined for one that is new to the follower. */
  readCursor(tag: GroupTag): Promise<string | undefined>;
  /** @param completeAtMs everything that was committed before this moment was taken, ms since 1970. */
  saveCursor(tag: GroupTag, places: string, completeAtMs: number): Promise<void>;
};

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

/** What follows the groups' outboxes. */
export type Follower = {
  /** Which of a group's streams. */
  readonly streams: readonly StreamName[];
  readonly changes: Pick<ChangeFeed, 'after' | 'within'>;
  readonly places: FollowerPlaces;
  /** Takes what has changed, in the order of a stream's ids. What it rejects is given again; so is what was taken before a crash. */
  readonly take: (tag: GroupTag, changes: readonly Change[]) => Promise<void>;
  /** Told after each look: how far the group was followed, and ids that were passed over and are looked for. */
  readonly onLook: (tag: GroupTag, look: { readonly lagMs: number; readonly gaps: number }) => void;
  readonly settings: FollowSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
};

/**
 * Follows one group: reads what is new, has it taken, and only then goes on from there. Whatever dies in between, the next one begins at
 * the saved place and takes some of it again.
 */
export const followGroup = async (tag: GroupTag, options: Follower): Promise<void> => {
  const { streams, changes, settings, clock, log, signal } = options;
  let places: ReadonlyMap<StreamName, StreamPlace> | undefined;
  let completeAtMs = 0;
  let savedAtMs = Number.NEGATIVE_INFINITY;
  let wasTrouble = false;
  let limit = settings.changesMax;

  const open = async (): Promise<ReadonlyMap<StreamName, StreamPlace>> => {
    const saved = await options.places.readCursor(tag);
    const parsed = saved === undefined ? undefined : SavedPlaces.parse(JSON.parse(saved));
    return new Map(streams.map((name) => [name, createStreamPlace(parsed?.[name])]));
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

  const save = async (of: ReadonlyMap<StreamName, StreamPlace>): Promise<void> => {
    const nowMs = clock.nowMs();
    const gaps = [...of.values()].reduce((sum, { gapCount }) => sum + gapCount, 0);
    options.onLook(tag, { lagMs: nowMs - completeAtMs, gaps });
    if (nowMs - savedAtMs < settings.saveEveryMs) return;
    const saved = Object.fromEntries([...of].map(([name, place]) => [name, place.toJson()]));
    await options.places.saveCursor(tag, JSON.stringify(saved), completeAtMs);
    savedAtMs = nowMs;
  };

  /** @returns whether more is there at once. */
  const round = async (): Promise<boolean> => {
    places ??= await open();
    const of = places;
    const beganAtMs = clock.nowMs();
    const reads = await Promise.all([...of].map(([name, place]) => readStream(name, place)));
    const found = reads.flatMap(({ behind, late }) => [...behind, ...late]);
    if (found.length > 0) await options.take(tag, found);
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
      if (!wasTrouble) log.warn({ err: error, group: tag }, 'the group cannot be followed');
      wasTrouble = true;
    },
  });
};
