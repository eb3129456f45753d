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
});

const repeatedOf = <T>(values: readonly T[]): ReadonlySet<T> =>
  new Set(values.filter((value, place) => values.indexOf(value) !== place));

/** The `groups` setting of every service that reads or writes orders. */
export const GroupMapConfig = z
  .strictObject({
    version: z.int().min(1).describe('Grows with each change of the map.'),
    groups: z.array(GroupConfig).min(1).max(128),
  })
  .superRefine(({ groups }, context) => {
    for (const tag of repeatedOf(groups.map((group) => group.tag))) {
      context.addIssue({ code: 'custom', path: ['groups'], message: `group tag ${tag} is listed twice` });
    }
    // Two reads of one server would pass for a quorum, and two groups of one server would fail together.
    for (const server of repeatedOf(
      groups.flatMap(({ endpoints }) => endpoints.map(({ host, port: at }) => `${host}:${at}`)),
    )) {
      context.addIssue({ code: 'custom', path: ['groups'], message: `the server ${server} is listed twice` });
    }
    if (!groups.some(({ state }) => state === 'open')) {
      context.addIssue({ code: 'custom', path: ['groups'], message: 'no group is open: no order could be taken' });
    }
  })
  .describe('The order groups: tags, states and nodes.');

/** First and second choice for a merchant order number, as even as random and the same for every repeat. */
export type Placement = { readonly home: GroupTag; readonly buddy: GroupTag | undefined };

// Highest random weight: a group that is added takes an equal share from each, and nothing else moves.
const weight = (tag: GroupTag, key: string): string => hash('sha1', `${tag}\n${key}`, 'hex');

/** Where a merchant's order number lives: rendezvous hash over the open groups of the map. */
export const placementOf = (map: GroupMap, merchantId: string, merchantOrderNo: string): Placement => {
  const key = `${merchantId}\n${merchantOrderNo}`;
  let home: { tag: GroupTag; weight: string } | undefined;
  let buddy: { tag: GroupTag; weight: string } | undefined;
  for (const { tag, state } of map.groups) {
    if (state !== 'open') continue;
    const candidate = { tag, weight: weight(tag, key) };
    if (home === undefined || candidate.weight > home.weight) {
      buddy = home;
      home = candidate;
    } else if (buddy === undefined || candidate.weight > buddy.weight) buddy = candidate;
  }
  if (home === undefined) throw new Error('the group map has no open group');
  return { home: home.tag, buddy: buddy?.tag };
};
