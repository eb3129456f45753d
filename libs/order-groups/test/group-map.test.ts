import { ConfigError, parseConfig } from '@tillmesh/config';
import { type GroupTag, groupTag } from '@tillmesh/domain';
import { describe, expect, test } from 'vitest';
import { type GroupMap, GroupMapConfig, placementOf } from '../src/index.ts';

const endpoint = (port: number) => ({ host: 'db.example', port });
const group = (tag: number, state?: string) => ({
  tag,
  ...(state === undefined ? {} : { state }),
  endpoints: [endpoint(3_000 + tag * 10), endpoint(3_001 + tag * 10), endpoint(3_002 + tag * 10)],
});

const problemsOf = (value: unknown): readonly string[] => {
  try {
    parseConfig(GroupMapConfig, value, 'a test');
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ setting, problem }) => `${setting}: ${problem}`);
    throw error;
  }
  return [];
};

describe('a group map', () => {
  test('of three groups is taken as it stands, and a group without a state is open', () => {
    const map = parseConfig(GroupMapConfig, { version: 1, groups: [group(1), group(2, 'closed'), group(3)] }, 'a test');
    expect(map.groups.map(({ tag, state }) => ({ tag, state }))).toEqual([
      { tag: 1, state: 'open' },
      { tag: 2, state: 'closed' },
      { tag: 3, state: 'open' },
    ]);
  });

  const WRONG: readonly (readonly [what: string, value: unknown, problems: readonly string[]])[] = [
    [
      'two groups of one tag',
      { version: 1, groups: [group(1), { ...group(1), endpoints: [endpoint(1)] }] },
      ['groups: group tag 1 is listed twice'],
    ],
    [
      'no open group',
      { version: 1, groups: [group(1, 'closed'), group(2, 'closed')] },
      ['groups: no group is open: no order could be taken'],
    ],
    [
      'a retired group without a successor, and one whose successor is nowhere',
      { version: 1, groups: [group(1), group(2, 'retired'), { ...group(3, 'migrating'), successor: 9 }] },
      [
        'groups: group 2 is retired: name the successor that has its orders',
        'groups: the successor 9 of group 3 is not on the map',
      ],
    ],
    [
      'successors that lead in a circle',
      {
        version: 1,
        groups: [group(1), { ...group(2, 'retired'), successor: 3 }, { ...group(3, 'retired'), successor: 2 }],
      },
      ['groups: the successors of group 2 lead in a circle', 'groups: the successors of group 3 lead in a circle'],
    ],
    [
      'a successor of a group that needs none',
      { version: 1, groups: [group(1), { ...group(2), successor: 1 }] },
      ['groups: group 2 is open and has no need of a successor'],
    ],
    [
      // Two reads of one server would pass for a quorum.
      'a server that is listed twice in a group',
      { version: 1, groups: [{ tag: 1, endpoints: [endpoint(1), endpoint(2), endpoint(1)] }] },
      ['groups: the server db.example:1 is listed twice'],
    ],
    [
      // Home and buddy have to be able to fail apart.
      'a server that stands in two groups',
      { version: 1, groups: [group(1), { tag: 2, endpoints: [endpoint(3_010)] }] },
      ['groups: the server db.example:3010 is listed twice'],
    ],
    [
      'a tag that does not fit an order number',
      { version: 1, groups: [{ ...group(1), tag: 128 }] },
      ['groups.0.tag: Too big: expected number to be <=127'],
    ],
    [
      'a group without servers',
      { version: 1, groups: [{ tag: 1, endpoints: [] }] },
      ['groups.0.endpoints: Too small: expected array to have >=1 items'],
    ],
  ];

  for (const [what, value, problems] of WRONG) {
    test(`with ${what} is refused, saying so`, () => {
      expect(problemsOf(value)).toEqual(problems);
    });
  }
});

const mapOf = (tags: readonly number[], closed: readonly number[] = []): GroupMap => ({
  version: 1,
  groups: tags.map((tag) => ({ tag: groupTag(tag), state: closed.includes(tag) ? 'closed' : 'open', endpoints: [] })),
});

const KEYS = Array.from({ length: 10_000 }, (_, n) => [`m-${n % 7}`, `order-${n}`] as const);

const sharesOf = (tags: readonly (GroupTag | undefined)[]): ReadonlyMap<GroupTag | undefined, number> => {
  const counts = new Map<GroupTag | undefined, number>();
  for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1 / tags.length);
  return counts;
};

describe('the place of a merchant order number', () => {
  test('is the same for every repeat, whatever the order of the groups in the map', () => {
    const map = mapOf([1, 2, 3, 4]);
    const turned = mapOf([3, 1, 4, 2]);
    for (const [merchantId, merchantOrderNo] of KEYS.slice(0, 1_000)) {
      expect(placementOf(turned, merchantId, merchantOrderNo)).toEqual(placementOf(map, merchantId, merchantOrderNo));
    }
  });

  test('is spread evenly: home and buddy within 5 % of their share over 10,000 numbers', () => {
    const map = mapOf([1, 2, 3]);
    const placements = KEYS.map((key) => placementOf(map, ...key));
    for (const side of ['home', 'buddy'] as const) {
      const shares = sharesOf(placements.map((placement) => placement[side]));
      expect(new Set(shares.keys())).toEqual(new Set([1, 2, 3]));
      for (const share of shares.values()) expect(Math.abs(share * 3 - 1)).toBeLessThan(0.05);
    }
  });

  test('has a buddy that is never its home', () => {
    const map = mapOf([1, 2]);
    for (const key of KEYS) {
      const { home, buddy } = placementOf(map, ...key);
      expect(buddy).not.toBe(home);
    }
  });

  test('moves to a group that is added, by its equal share, and nowhere else', () => {
    const before = mapOf([1, 2, 3]);
    const after = mapOf([1, 2, 3, 4]);
    let moved = 0;
    for (const key of KEYS) {
      const was = placementOf(before, ...key);
      const is = placementOf(after, ...key);
      if (is.home === was.home) continue;
      moved += 1;
      // Whose home moves has its old home as buddy: that is where a repeat still finds what was written.
      expect(is).toEqual({ home: 4, buddy: was.home });
    }
    expect(moved / KEYS.length).toBeGreaterThan(0.24);
    expect(moved / KEYS.length).toBeLessThan(0.26);
  });

  test('is never in a group that takes no new orders', () => {
    const map = mapOf([1, 2, 3], [2]);
    const tags = KEYS.flatMap((key) => Object.values(placementOf(map, ...key)));
    expect(new Set(tags)).toEqual(new Set([1, 3]));
  });

  test('has no buddy where only one group is open', () => {
    expect(placementOf(mapOf([1, 2], [1]), 'm', 'o')).toEqual({ home: 2, buddy: undefined });
  });

  test('tells merchant and number apart: no two pairs are one key', () => {
    const map = mapOf(Array.from({ length: 64 }, (_, n) => n));
    const differing = KEYS.slice(0, 100).filter(
      ([, number]) => placementOf(map, 'a', `b-${number}`).home !== placementOf(map, 'a-b', number).home,
    );
    expect(differing.length).toBeGreaterThan(90);
  });
});
