import { z } from '@tillmesh/config';
import type { IdRange } from '../change-feed.ts';

/** Ids below the place of a stream that were not there when it went past them. */
type Gap = IdRange & { readonly noticedAtMs: number; nextLookAtMs: number };

/**
 * How far a stream of a group was followed, and what may still come below.
 *
 * Ids are drawn while a transaction runs and become visible when it commits: 8 can be there before 7. So an id that is missing is not
 * passed over but kept as a gap and looked for again, each time its age has doubled: a row that was invisible for a second is found within
 * another one, and one that never comes (its transaction was undone) costs some twenty looks. An id is given up after 25 hours: no
 * transaction waits longer, since the wait for a replica ends after 24.
 */
export type StreamPlace = {
  /** Everything up to here was seen, but for the gaps. */
  readonly position: bigint;
  readonly gapCount: number;
  /** Notes what was seen behind the position, in order. */
  advance(ids: readonly bigint[], nowMs: number): void;
  /** Gaps that are to be looked through now, the longest due first. */
  due(limit: number, nowMs: number): readonly IdRange[];
  /** Notes what was seen within gaps that were looked through. */
  looked(ranges: readonly IdRange[], found: readonly bigint[], nowMs: number): void;
  /** How many gaps were given up because there were too many; it should stay 0. */
  readonly dropped: number;
  toJson(): SavedPlace;
};

export const SavedPlace = z.strictObject({
  position: z.string().regex(/^[0-9]{1,20}$/),
  /** from, to, noticed at. */
  gaps: z.array(z.tuple([z.string(), z.string(), z.number()])),
});
export type SavedPlace = z.output<typeof SavedPlace>;

const FIRST_LOOK_MS = 20;
const GIVEN_UP_MS = 25 * 3_600_000;
const GAPS_MAX = 50_000;
/** Ids that can be under way at once in a group: its connections times the rows of a statement, with room. Wider gaps are of old. */
const UNDER_WAY_MAX = 10_000n;

const higher = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** What is left of a range without some ids; these are in order. */
const without = (range: IdRange, ids: readonly bigint[]): IdRange[] => {
  const rest: IdRange[] = [];
  let { from } = range;
  for (const id of ids.filter((each) => each >= range.from && each <= range.to)) {
    if (id > from) rest.push({ from, to: id - 1n });
    from = id + 1n;
  }
  if (from <= range.to) rest.push({ from, to: range.to });
  return rest;
};

/** Goes on from what was saved, or from the beginning. */
export const createStreamPlace = (saved: SavedPlace | undefined): StreamPlace => {
  let position = BigInt(saved?.position ?? 0);
  let dropped = 0;
  let gaps: Gap[] = (saved?.gaps ?? []).map(([from, to, noticedAtMs]) => ({
    from: BigInt(from),
    to: BigInt(to),
    noticedAtMs,
    nextLookAtMs: 0,
  }));

  return {
    get position() {
      return position;
    },
    get gapCount() {
      return gaps.length;
    },
    get dropped() {
      return dropped;
    },
    advance: (ids, nowMs) => {
      const last = ids.at(-1);
      if (last === undefined) return;
      const missing = without({ from: higher(position + 1n, 1n), to: last }, ids);
      for (const { from, to } of missing) {
        gaps.push({
          from: higher(from, to - UNDER_WAY_MAX + 1n),
          to,
          noticedAtMs: nowMs,
          nextLookAtMs: nowMs + FIRST_LOOK_MS,
        });
      }
      if (gaps.length > GAPS_MAX) {
        dropped += gaps.length - GAPS_MAX;
        gaps = gaps.slice(-GAPS_MAX);
      }
      position = last;
    },
    due: (limit, nowMs) =>
      gaps
        .filter(({ nextLookAtMs }) => nextLookAtMs <= nowMs)
        .toSorted((a, b) => a.nextLookAtMs - b.nextLookAtMs)
        .slice(0, limit)
        .map(({ from, to }) => ({ from, to })),
    looked: (ranges, found, nowMs) => {
      const ids = [...found].sort((a, b) => (a < b ? -1 : 1));
      const asked = new Set(ranges.map(({ from, to }) => `${from}-${to}`));
      gaps = gaps.flatMap((gap) => {
        if (!asked.has(`${gap.from}-${gap.to}`)) return [gap];
        const ageMs = nowMs - gap.noticedAtMs;
        if (ageMs >= GIVEN_UP_MS) return [];
        const nextLookAtMs = Math.min(nowMs + Math.max(FIRST_LOOK_MS, ageMs), gap.noticedAtMs + GIVEN_UP_MS);
        return without(gap, ids).map((rest) => ({ ...rest, noticedAtMs: gap.noticedAtMs, nextLookAtMs }));
      });
    },
    toJson: () => ({
      position: String(position),
      gaps: gaps.map(({ from, to, noticedAtMs }) => [String(from), String(to), noticedAtMs]),
    }),
  };
};
