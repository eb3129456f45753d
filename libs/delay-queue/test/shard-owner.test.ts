import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SHARD_COUNT, shardsOf } from '../src/index.ts';

const workers = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 12 });
const ownersOf = (all: readonly string[]): Map<number, string> =>
  new Map(all.flatMap((worker) => shardsOf(worker, all).map((shard): [number, string] => [shard, worker])));

describe('the shards of some workers', () => {
  test('have one owner each, whatever the order in which the workers are named', () => {
    fc.assert(
      fc.property(workers, (all) => {
        expect(all.flatMap((worker) => shardsOf(worker, all)).toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: SHARD_COUNT }, (_, shard) => shard),
        );
        for (const worker of all) expect(shardsOf(worker, all.toReversed())).toEqual(shardsOf(worker, all));
      }),
      { numRuns: 50 },
    );
  });

  test('move only from one that goes, and only to one that comes', () => {
    fc.assert(
      fc.property(workers, (all) => {
        const [gone = '', ...rest] = all;
        if (rest.length === 0) return;
        const before = ownersOf(all);
        const after = ownersOf(rest);
        for (const [shard, owner] of before) if (owner !== gone) expect(after.get(shard)).toBe(owner);
      }),
      { numRuns: 50 },
    );
  });

  test('are shared as evenly as chance shares them', () => {
    const all = Array.from({ length: 4 }, (_, n) => `worker-${n}`);
    for (const worker of all) {
      expect(shardsOf(worker, all).length).toBeGreaterThanOrEqual(6);
      expect(shardsOf(worker, all).length).toBeLessThanOrEqual(30);
    }
  });
});
