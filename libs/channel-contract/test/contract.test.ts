import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { agreedCalls, agreedRate, burstOfShare, type Contract, whyUnworkable } from '../src/contract.ts';

const emergencyUse = (concurrencyMax: number, replicasMax: number): number =>
  ((agreedCalls({ concurrencyMax, replicasMax })?.emergency ?? 0) * replicasMax) / concurrencyMax;

describe('the emergency shares of all seats', () => {
  test.each([
    [24, 3, 5],
    [24, 4, 4],
    [6, 3, 2],
    [3, 3, 1],
    [5, 3, 1],
    [100, 3, 20],
    [1_000, 10, 60],
  ])('of %i calls on %i seats are %i each', (concurrencyMax, replicasMax, emergency) => {
    expect(agreedCalls({ concurrencyMax, replicasMax })?.emergency).toBe(emergency);
  });

  const calls = fc.integer({ min: 1, max: 64 }).chain((replicasMax) =>
    fc.record({
      replicasMax: fc.constant(replicasMax),
      concurrencyMax: fc.integer({ min: replicasMax, max: 100_000 }),
    }),
  );
  test('are together never more than agreed, and more than half of it where everybody can have two', () => {
    fc.assert(
      fc.property(calls, ({ concurrencyMax, replicasMax }) => {
        const use = emergencyUse(concurrencyMax, replicasMax);
        expect(use).toBeLessThanOrEqual(1);
        if (concurrencyMax >= 2 * replicasMax) expect(use).toBeGreaterThanOrEqual(0.6);
      }),
    );
  });

  const rates = fc.record({
    replicasMax: fc.integer({ min: 1, max: 64 }),
    perSecond: fc.double({ min: 0.1, max: 10_000, noNaN: true }),
    burst: fc.integer({ min: 1, max: 10_000 }),
  });
  test('of a rate that is workable let everybody send, and are together never more than the rate and the burst', () => {
    fc.assert(
      fc.property(rates, (contract) => {
        const rate = agreedRate(contract);
        if (rate === undefined || whyUnworkable(contract) !== undefined) return;
        const { replicasMax, perSecond, burst } = contract;
        expect(burstOfShare(contract, rate.emergency)).toBeGreaterThanOrEqual(1_000_000);
        expect(rate.emergency * replicasMax).toBeLessThanOrEqual(1_000 * perSecond);
        expect(burstOfShare(contract, rate.emergency) * replicasMax).toBeLessThanOrEqual(1_000_000 * burst);
      }),
    );
  });
});

describe('a contract that cannot work says what has to change', () => {
  test.each<[Contract, RegExp | undefined]>([
    [{ replicasMax: 3 }, /neither concurrencyMax nor perSecond/],
    [{ replicasMax: 3, perSecond: 10 }, /belong together/],
    [{ replicasMax: 3, concurrencyMax: 10, burst: 4 }, /belong together/],
    [{ replicasMax: 3, concurrencyMax: 2 }, /at least replicasMax/],
    [{ replicasMax: 3, concurrencyMax: 3 }, undefined],
    [{ replicasMax: 3, perSecond: 7, burst: 4 }, /burst has to be at least 5 for 3 replicas/],
    [{ replicasMax: 3, perSecond: 7, burst: 5 }, undefined],
    // Its share of a thousandth is nothing in whole numbers.
    [{ replicasMax: 3, perSecond: 0.001, burst: 5 }, /perSecond has to be at least 0.003/],
  ])('%j', (contract, expected) => {
    if (expected === undefined) expect(whyUnworkable(contract)).toBeUndefined();
    else expect(whyUnworkable(contract)).toMatch(expected);
  });
});
