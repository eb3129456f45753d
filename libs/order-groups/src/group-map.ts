import { hash } from 'node:crypto';
import { port, z } from '@tillmesh/config';
import { GROUP_TAG_MAX, type GroupTag, groupTag } from '@tillmesh/domain';

export const GROUP_STATES = ['open', 'closed', 'migrating', 'retired'] as const;
/** What a group may be used for: only `open` ones take new orders. */
export type GroupState = (typeof GROUP_STATES)[number];

/** Where one database server of a group answers. */
export type Endpoint = { readonly host: string; readonly port: number };

export type GroupDescription = {
  readonly tag: GroupTag;
  readonly state: GroupState;
  /** Its nodes in any order; who is primary is found out. */
  readonly endpoints: readonly Endpoint[];
  /** While `migrating`, and for ever once `retired`: the group that its orders go to, or are in. */
  readonly successor?: GroupTag | undefined;
};

/** Which groups there are. Health never changes it; only an operator does. */
export type GroupMap = { readonly version: number; readonly groups: readonly GroupDescription[] };

const GroupConfig = z.strictObject({
  tag: z
    .int()
    .min(0)
    .max(GROUP_TAG_MAX)
    .transform(groupTag)
    .describe('0 to 127, part of every order number of the group. Never use a tag again.'),
  state: z.enum(GROUP_STATES).default('open').describe('open takes new orders; closed only keeps old ones.'),
  endpoints: z
    .array(z.strictObject({ host: z.string().min(1), port: port.min(1) }))
    .min(1)
    .max(5)
    .describe('host and port of every node of the group: the primary and its replicas, in any order.'),
  successor: z
    .int()
    .min(0)
    .max(GROUP_TAG_MAX)
    .transform(groupTag)
    .optional()
    .describe('For a group that is migrating or retired: the tag of the group that has its orders.'),
});

const repeatedOf = <T>(values: readonly T[]): ReadonlySet<T> =>
  new Set(values.filter((value, place) => values.indexOf(value) !== place));

/** Everything that is wrong about a map. */
export const mistakesOf = ({ groups }: Pick<GroupMap, 'groups'>): string[] => {
  const twice = [...repeatedOf(groups.map((group) => group.tag))].map((tag) => `group tag ${tag} is listed twice`);
  // Two reads of one server would pass for a quorum, and two groups of one server would fail together.
  const servers = groups
    .filter(({ state }) => state !== 'retired')
    .flatMap(({ endpoints }) => endpoints.map(({ host, port: at }) => `${host}:${at}`));
  const sharedServers = [...repeatedOf(servers)].map((server) => `the server ${server} is listed twice`);
  const noneOpen = groups.some(({ state }) => state === 'open') ? [] : ['no group is open: no order could be taken'];
  const successors = groups.flatMap((group) => successorMistake(group, groups) ?? []);
  return [...twice, ...sharedServers, ...noneOpen, ...successors];
};

const successorMistake = (
  { tag, state, successor }: GroupDescription,
  groups: readonly GroupDescription[],
): string | undefined => {
  const needsOne = state === 'migrating' || state === 'retired';
  if (!needsOne) return successor === undefined ? undefined : `group ${tag} is ${state} and has no need of a successor`;
  if (successor === undefined) return `group ${tag} is ${state}: name the successor that has its orders`;
  const path = new Set([tag]);
  for (let next: GroupTag | undefined = successor; next !== undefined; ) {
    if (path.has(next)) return `the successors of group ${tag} lead in a circle`;
    path.add(next);
    const found = groups.find((group) => group.tag === next);
    if (found === undefined) return `the successor ${next} of group ${tag} is not on the map`;
    next = found.state === 'retired' ? found.successor : undefined;
  }
  return undefined;
};

/** The `groups` setting of every service that reads or writes orders. */
export const GroupMapConfig = z
  .strictObject({
    version: z.int().min(1).describe('Grows with each change of the map.'),
    groups: z.array(GroupConfig).min(1).max(128),
  })
  .superRefine((map, context) => {
    for (const message of mistakesOf(map)) context.addIssue({ code: 'custom', path: ['groups'], message });
  })
  .describe('The order groups: tags, states and nodes.');

/** First and second choice for a merchant order number, as even as random and the same for every repeat. */
export type Placement = { readonly home: GroupTag; readonly buddy: GroupTag | undefined };

// Highest random weight: a group that is added takes an equal share from each, and nothing else moves.
const weight = (tag: GroupTag, key: string): string => hash('sha1', `${tag}\n${key}`, 'hex');

/** Groups in the order in which a key prefers them: rendezvous hash, the same for everybody who asks. */
export const rendezvous = (tags: readonly GroupTag[], key: string): GroupTag[] =>
  tags
    .map((tag) => ({ tag, weight: weight(tag, key) }))
    .sort((a, b) => (a.weight < b.weight ? 1 : -1))
    .map(({ tag }) => tag);

const openTags = new WeakMap<GroupMap, readonly GroupTag[]>();

const openTagsOf = (map: GroupMap): readonly GroupTag[] => {
  const known = openTags.get(map);
  if (known !== undefined) return known;
  const tags = map.groups.filter(({ state }) => state === 'open').map(({ tag }) => tag);
  openTags.set(map, tags);
  return tags;
};

/** Where a merchant's order number lives: rendezvous hash over the open groups of the map. */
export const placementOf = (map: GroupMap, merchantId: string, merchantOrderNo: string): Placement => {
  const [home, buddy] = rendezvous(openTagsOf(map), `${merchantId}\n${merchantOrderNo}`);
  if (home === undefined) throw new Error('the group map has no open group');
  return { home, buddy };
};

/** True where both name the same two groups in the same order. */
export const isSamePlacement = (a: Placement, b: Placement): boolean => a.home === b.home && a.buddy === b.buddy;

/**
 * Where earlier maps placed a merchant's order number, newest first, as far as that is elsewhere than today. While it may still be
 * repeated, its order may be there.
 */
export const earlierPlacementsOf = (
  { map, earlier }: { readonly map: GroupMap; readonly earlier: readonly GroupMap[] },
  { merchantId, merchantOrderNo }: { readonly merchantId: string; readonly merchantOrderNo: string },
): readonly Placement[] => {
  const places = [placementOf(map, merchantId, merchantOrderNo)];
  for (const before of earlier) {
    const place = placementOf(before, merchantId, merchantOrderNo);
    if (!places.some((known) => isSamePlacement(known, place))) places.push(place);
  }
  return places.slice(1);
};

/** The group whose databases hold the orders of a tag: itself, or the successor of a retired one. Undefined: not on the map. */
export const holderOf = (map: GroupMap, tag: GroupTag): GroupTag | undefined => {
  const group = map.groups.find((candidate) => candidate.tag === tag);
  // The map's own check has seen to it that successors end.
  return group?.state === 'retired' && group.successor !== undefined ? holderOf(map, group.successor) : group?.tag;
};
