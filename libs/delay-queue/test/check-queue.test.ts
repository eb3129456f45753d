import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CheckItem, fromMember, SHARD_COUNT, shardOf, toMember } from '../src/index.ts';

const numberOf = fc.stringMatching(/^[0-9]{25}$/);
const itemOf: fc.Arbitrary<CheckItem> = fc.record({
  kind: fc.constantFrom('payment', 'refund'),
  number: numberOf,
});

describe('a member of the check queue', () => {
  test('stands for exactly one item', () => {
    fc.assert(
      fc.property(itemOf, (item) => {
        expect(fromMember(toMember(item))).toEqual(item);
      }),
    );
  });

  test('is read from nothing but what was written: everything else is none of ours', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), numberOf, fc.stringMatching(/^.:[0-9]{24,26}.?$/)), (text) => {
        const item = fromMember(text);
        if (item !== undefined) expect(toMember(item)).toBe(text);
      }),
    );
  });

  const FOREIGN = [
    '',
    'p:',
    'p:123',
    `x:${'1'.repeat(25)}`,
    `p:${'1'.repeat(26)}`,
    `p:${'1'.repeat(25)}\n`,
    `P:${'1'.repeat(25)}`,
  ];
  for (const text of FOREIGN) {
    test(`is not: ${JSON.stringify(text)}`, () => {
      expect(fromMember(text)).toBeUndefined();
    });
  }
});

describe('the shard of a member', () => {
  test('is always one of the 64', () => {
    fc.assert(
      fc.property(fc.string(), (member) => {
        const shard = shardOf(member);
        expect(Number.isInteger(shard) && shard >= 0 && shard < SHARD_COUNT).toBe(true);
      }),
    );
  });

  // Members that wait in Redis must be found by the next version too.
  test('never changes', () => {
    const members = ['payment', 'refund'].map((kind) => toMember({ kind: kind as 'payment', number: '1'.repeat(25) }));
    expect([SHARD_COUNT, ...members.map(shardOf)]).toEqual([64, 37, 44]);
  });

  test('is as even as chance: no shard holds twice its share of consecutive numbers', () => {
    const counts = new Map<number, number>();
    for (let n = 0; n < 64_000; n += 1) {
      const shard = shardOf(toMember({ kind: 'payment', number: String(n).padStart(25, '0') }));
      counts.set(shard, (counts.get(shard) ?? 0) + 1);
    }
    expect(counts.size).toBe(SHARD_COUNT);
    expect(Math.max(...counts.values())).toBeLessThan(1_200);
    expect(Math.min(...counts.values())).toBeGreaterThan(800);
  });
});
