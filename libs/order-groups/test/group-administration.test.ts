import { groupTag } from '@tillmesh/domain';
import { describe, expect, test } from 'vitest';
import { assertSchemas, type GroupMap, SCHEMA_VERSION, tagsHeldBy, whyNotMovable } from '../src/index.ts';
import { MIGRATIONS } from '../src/schema.ts';
import { versionOf } from '../src/schema-version.ts';

type Entry = readonly [tag: number, state: GroupMap['groups'][number]['state'], successor?: number];

const mapOf = (...entries: readonly Entry[]): GroupMap => ({
  version: 7,
  groups: entries.map(([tag, state, successor]) => ({
    tag: groupTag(tag),
    state,
    endpoints: [],
    ...(successor === undefined ? {} : { successor: groupTag(successor) }),
  })),
});

describe('the orders of a group', () => {
  const WHY: readonly (readonly [map: GroupMap, source: number, target: number, why: string | undefined])[] = [
    [mapOf([1, 'open'], [2, 'closed']), 2, 1, undefined],
    [mapOf([1, 'open'], [2, 'migrating', 1]), 2, 1, undefined],
    [mapOf([1, 'open'], [2, 'open']), 2, 1, 'group 2 takes new orders; first: npm run groups -- close 2'],
    [mapOf([1, 'open'], [2, 'closed']), 2, 2, 'group 2 cannot be its own successor'],
    [mapOf([1, 'open'], [2, 'closed']), 3, 1, 'group 3 is not on the map'],
    [mapOf([1, 'open'], [2, 'closed']), 2, 3, 'group 3 is not on the map'],
    [mapOf([1, 'open'], [2, 'closed'], [3, 'closed']), 2, 3, 'group 3 is closed; orders go to an open one'],
    [mapOf([1, 'open'], [2, 'retired', 1]), 2, 1, 'group 2 is retired already: group 1 has its orders'],
    [
      mapOf([1, 'open'], [2, 'migrating', 1], [3, 'open']),
      2,
      3,
      'the orders of group 2 are on their way to group 1; go on with that one',
    ],
    [
      mapOf([1, 'open'], [2, 'closed'], [3, 'migrating', 2]),
      2,
      1,
      'the orders of group 3 are on their way to group 2; let them arrive first',
    ],
  ];
  for (const [map, source, target, why] of WHY) {
    const states = map.groups.map(({ tag, state }) => `${tag} ${state}`).join(', ');
    test(`of ${states} go from ${source} to ${target}: ${why ?? 'yes'}`, () => {
      expect(whyNotMovable(map, groupTag(source), groupTag(target))).toBe(why);
    });
  }

  test('are its own and those of groups that were retired into it, however many steps ago', () => {
    const map = mapOf([1, 'open'], [2, 'retired', 3], [3, 'retired', 1], [4, 'migrating', 1], [5, 'closed']);
    expect(tagsHeldBy(map, groupTag(1))).toEqual([1, 2, 3]);
    expect(tagsHeldBy(map, groupTag(4))).toEqual([4]);
    expect(tagsHeldBy(map, groupTag(3))).toEqual([]);
  });
});

describe('the schema of a group', () => {
  const all = MIGRATIONS.flatMap(({ version, statements }) => statements.map((_, step) => `${version}.${step}`));

  test('has the version all of whose steps are done', () => {
    expect(versionOf(new Set())).toBe(0);
    expect(versionOf(new Set(all))).toBe(SCHEMA_VERSION);
    // The last step was done by hand, say, and one before it never.
    expect(versionOf(new Set(all.filter((step) => step !== '1.3')))).toBe(0);
  });

  test('that is behind is named with what to do; one that cannot be asked, or is newer, is not', () => {
    expect(() =>
      assertSchemas([
        { tag: 1, version: SCHEMA_VERSION },
        { tag: 2, version: 0 },
        { tag: 3, version: undefined },
        { tag: 4, version: SCHEMA_VERSION + 1 },
      ]),
    ).toThrow(
      `the schema is behind: group 2 has version 0, and this program needs ${SCHEMA_VERSION}. Bring all groups up to date first: npm run groups -- schema --migrate`,
    );
    assertSchemas([
      { tag: 3, version: undefined },
      { tag: 4, version: SCHEMA_VERSION + 1 },
    ]);
  });
});
