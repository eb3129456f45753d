import { expect, test } from 'vitest';
import { restartDelayMs } from '../src/back-off.ts';

const delaysOf = (livedMs: readonly number[]): readonly number[] => {
  let failures = 0;
  return livedMs.map((lived) => {
    const delay = restartDelayMs({ failures, livedMs: lived });
    failures = delay.failures;
    return delay.afterMs;
  });
};

test('a child that ends again and again is started after 200 ms, then twice that, and at most after 5 seconds', () => {
  expect(delaysOf([0, 0, 0, 0, 0, 0, 0])).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
});

test('a child that has lived for 30 seconds is started after 200 ms again', () => {
  expect(delaysOf([0, 0, 29_999, 30_000, 0])).toEqual([200, 400, 800, 200, 400]);
});

test('a thousand ends do not overflow the delay', () => {
  expect(restartDelayMs({ failures: 1_000, livedMs: 0 }).afterMs).toBe(5_000);
});
