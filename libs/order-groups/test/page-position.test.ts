import { type GroupTag, groupTag, type OrderKey } from '@tillmesh/domain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type GroupScan, mergePage, type PagePosition, placeOf } from '../src/page-position.ts';

const TOP = 1_000_000n;
const FLOOR = 10n;
const key = (value: number | bigint): OrderKey => BigInt(value) as OrderKey;
const one = groupTag(1);
const two = groupTag(2);

/** What a group with these keys says, as the databases do. */
const scan = (tag: GroupTag, keys: readonly bigint[], position: PagePosition, limit: number): GroupScan => {
  const below = keys.filter((each) => each < placeOf(position, tag) && each >= FLOOR).sort((a, b) => (a < b ? 1 : -1));
  const found = below.slice(0, limit);
  return { tag, keys: found.map(key), reachedTo: found.length < limit ? FLOOR : (found.at(-1) ?? FLOOR) };
};

describe('a page that is merged from groups', () => {
  test('is newest first over all groups, and goes on below its last payment', () => {
    const position = { before: TOP, behind: new Map() };
    const scans = [scan(one, [50n, 40n, 30n], position, 2), scan(two, [45n, 20n], position, 2)];
    const { chosen, next } = mergePage(scans, position, { pageSize: 2, floor: FLOOR, tags: [one, two] });
    expect(chosen).toEqual([
      { tag: one, key: 50n },
      { tag: two, key: 45n },
    ]);
    expect(next).toEqual({ before: 45n, behind: new Map() });
  });

  test('shows nothing below what a group has looked through: more of it could still come above', () => {
    const position = { before: TOP, behind: new Map() };
    const scans = [
      { tag: one, keys: [key(90)], reachedTo: 80n },
      { tag: two, keys: [key(70)], reachedTo: FLOOR },
    ];
    const { chosen, next } = mergePage(scans, position, { pageSize: 5, floor: FLOOR, tags: [one, two] });
    expect(chosen).toEqual([{ tag: one, key: 90n }]);
    expect(next).toEqual({ before: 80n, behind: new Map() });
  });

  test('keeps the place of a group that did not answer, even where the others are at their end', () => {
    const position = { before: TOP, behind: new Map() };
    const { chosen, next } = mergePage([scan(one, [50n], position, 5)], position, {
      pageSize: 5,
      floor: FLOOR,
      tags: [one, two],
    });
    expect(chosen).toEqual([{ tag: one, key: 50n }]);
    expect(next).toEqual({ before: FLOOR, behind: new Map([[two, TOP]]) });
    const back = next ?? position;
    const later = mergePage([scan(one, [50n], back, 5), scan(two, [60n], back, 5)], back, {
      pageSize: 5,
      floor: FLOOR,
      tags: [one, two],
    });
    expect(later).toEqual({ chosen: [{ tag: two, key: 60n }], next: undefined });
  });

  test('shows a payment once that is on its way from one group to another', () => {
    const position = { before: TOP, behind: new Map() };
    const scans = [scan(one, [50n], position, 5), scan(two, [50n], position, 5)];
    const { chosen } = mergePage(scans, position, { pageSize: 5, floor: FLOOR, tags: [one, two] });
    expect(chosen).toHaveLength(1);
  });

  test('shows every payment exactly once over all pages, whichever groups miss which pages', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(fc.bigInt({ min: FLOOR, max: TOP - 1n }), { maxLength: 30 }), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.integer({ min: 1, max: 7 }),
        fc.array(fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), { maxLength: 20 }),
        (lists, pageSize, absences) => {
          const taken = new Set<bigint>();
          const groups = lists.map((keys, index) => ({
            tag: groupTag(index),
            keys: keys.filter((each) => !taken.has(each) && taken.add(each) !== undefined),
          }));
          const tags = groups.map(({ tag }) => tag);
          const seen: bigint[] = [];
          let position: PagePosition | undefined = { before: TOP, behind: new Map() };
          for (let pages = 0; position !== undefined; pages += 1) {
            const at: PagePosition = position;
            const scans = groups
              .filter((_, index) => absences[pages]?.[index] !== true)
              .map(({ tag, keys }) => scan(tag, keys, at, pageSize));
            if (scans.length === 0) continue;
            const { chosen, next } = mergePage(scans, at, { pageSize, floor: FLOOR, tags });
            expect(chosen.length).toBeLessThanOrEqual(pageSize);
            seen.push(...chosen.map((each) => each.key));
            position = next;
            expect(pages, 'the list does not end').toBeLessThan(500);
          }
          expect(seen.length).toBe(taken.size);
          expect(new Set(seen)).toEqual(taken);
        },
      ),
      { numRuns: 500 },
    );
  });
});
