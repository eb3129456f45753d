import type { GroupTag, OrderKey } from '@tillmesh/domain';

/** Where a list goes on: the payments below these keys have not been shown. */
export type PagePosition = {
  /** Of every group that `behind` does not name. */
  readonly before: bigint;
  /** Groups that missed a page, and groups that have more to show above `before`: their own places. */
  readonly behind: ReadonlyMap<GroupTag, bigint>;
};

/** What one group says to a page: keys that fit the question, newest first, and how far it has looked. */
export type GroupScan = {
  readonly tag: GroupTag;
  readonly keys: readonly OrderKey[];
  /** The last key that was looked at; the question's lower bound where nothing is left. */
  readonly reachedTo: bigint;
};

export type MergedPage = {
  /** Newest first; each key once, even where two groups have it because it is on its way from one to the other. */
  readonly chosen: readonly { readonly tag: GroupTag; readonly key: OrderKey }[];
  /** Undefined on the last page. */
  readonly next: PagePosition | undefined;
};

/** From where a group's payments have not been shown. */
export const placeOf = ({ before, behind }: PagePosition, tag: GroupTag): bigint => behind.get(tag) ?? before;

/**
 * The same position after groups were retired: the place of one that is gone becomes that of its successor, which has its payments.
 *
 * @param holderOf the group that holds the orders of a tag now; undefined where nobody knows.
 */
export const afterRetirements = (
  { before, behind }: PagePosition,
  holderOf: (tag: GroupTag) => GroupTag | undefined,
): PagePosition => {
  const places = new Map<GroupTag, bigint>();
  for (const [tag, place] of behind) {
    const holder = holderOf(tag) ?? tag;
    const known = places.get(holder) ?? before;
    places.set(holder, place > known ? place : known);
  }
  return { before, behind: places };
};

const lower = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/**
 * Merges what the groups that answered say into one page.
 *
 * Nothing is shown below the place that every one of them has looked through: a payment of another group could still come above it.
 * A group that did not answer keeps its place in the next position, however far the others go; when it is back its payments come, newer
 * ones than the last page's among them. So a payment that existed when the first page was asked for is shown once, as long as its group
 * answers in the end.
 *
 * @param question.floor the lower bound of keys, inclusive; no place goes below it.
 * @param question.tags all groups, those that did not answer as well.
 */
export const mergePage = (
  scans: readonly GroupScan[],
  position: PagePosition,
  question: { readonly pageSize: number; readonly floor: bigint; readonly tags: readonly GroupTag[] },
): MergedPage => {
  const { pageSize, floor, tags } = question;
  const looked = scans.reduce((highest, { reachedTo }) => (reachedTo > highest ? reachedTo : highest), floor);
  const seen = new Set<bigint>();
  const candidates = scans
    .flatMap(({ tag, keys }) => keys.filter((key) => key >= looked).map((key) => ({ tag, key })))
    .sort((a, b) => (a.key < b.key ? 1 : a.key > b.key ? -1 : 0))
    .filter(({ key }) => !seen.has(key) && seen.add(key) !== undefined);
  const chosen = candidates.slice(0, pageSize);
  const reached = candidates.length > pageSize ? (chosen.at(-1)?.key ?? looked) : looked;
  const answered = new Set(scans.map(({ tag }) => tag));
  const places = new Map(
    tags.map((tag) => {
      const place = placeOf(position, tag);
      return [tag, answered.has(tag) ? lower(place, reached) : place] as const;
    }),
  );
  if ([...places.values()].every((place) => place <= floor)) return { chosen, next: undefined };
  const before = [...places.values()].reduce(lower);
  return { chosen, next: { before, behind: new Map([...places].filter(([, place]) => place !== before)) } };
};
