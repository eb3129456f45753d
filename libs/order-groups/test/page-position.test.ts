import { type GroupTag, groupTag, type OrderKey } from '@tillmesh/domain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterRetirements, type GroupScan, mergePage, type PagePosition, placeOf } from '../src/page-position.ts';

const TOP = 1_000_000n;
const FLOOR = 10n;
const key = (value: number | bigint): OrderKey => BigInt(value) as OrderKey;
const one = groupTag(1);
const two = groupTag(2);

/** What a group with these keys says, as the databases do: it looks at so many, and names those that fit, a page at most. */
const scan = (
  tag: GroupTag,
  keys: readonly bigint[],
  position: PagePosition,
  pageSize: number,
  {
    looked = pageSize,
    fits = () => true,
  }: { readonly looked?: number; readonly fits?: (each: bigint) => boolean } = {},
): GroupScan => {
  const below = keys.filter((each) => each < placeOf(position, tag) && each >= FLOOR).sort((a, b) => (a < b ? 1 : -1));
  const found = below.slice(0, looked);
  const fitting = found.filter(fits);
  const named = fitting.slice(0, pageSize);
  const isCut = fitting.length > named.length;
  const end = found.length < looked ? FLOOR : (found.at(-1) ?? FLOOR);
  return { tag, keys: named.map(key), reachedTo: isCut ? (named.at(-1) ?? FLOOR) : end };
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

  test('gives the place of a group that was retired meanwhile to its successor', () => {
    const position = { before: 20n, behind: new Map([[two, 60n]]) };
    const three = groupTag(3);
    expect(afterRetirements(position, (tag) => (tag === two ? three : tag)).behind).toEqual(new Map([[three, 60n]]));
    const both = { before: 20n, behind: new Map([...position.behind, [three, 70n]]) };
    expect(afterRetirements(both, () => three).behind).toEqual(new Map([[three, 70n]]));
  });

  test('shows every payment exactly once over all pages, whichever groups miss which pages', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(fc.bigInt({ min: FLOOR, max: TOP - 1n }), { maxLength: 30 }), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.integer({ min: 1, max: 7 }),
        fc.record({ looked: fc.integer({ min: 0, max: 9 }), every: fc.bigInt({ min: 1n, max: 4n }) }),
        fc.array(fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), { maxLength: 20 }),
        (lists, pageSize, { looked, every }, absences) => {
          const fits = (each: bigint) => each % every === 0n;
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
              .map(({ tag, keys }) => scan(tag, keys, at, pageSize, { looked: pageSize + looked, fits }));
            if (scans.length === 0) continue;
            const { chosen, next } = mergePage(scans, at, { pageSize, floor: FLOOR, tags });
            expect(chosen.length).toBeLessThanOrEqual(pageSize);
            seen.push(...chosen.map((each) => each.key));
            position = next;
            expect(pages, 'the list does not end').toBeLessThan(500);
          }
          const wanted = [...taken].filter(fits);
          expect(seen.length).toBe(wanted.length);
          expect(new Set(seen)).toEqual(new Set(wanted));
        },
      ),
      { numRuns: 500 },
    );
  });
});
