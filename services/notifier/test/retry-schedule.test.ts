import { expect, test } from 'vitest';
import { RETRY_DELAYS_MS, retryDelayMs } from '../src/retry-schedule.ts';

test('the waits are those that the document names, and all of them lie within a day', () => {
  const seconds = RETRY_DELAYS_MS.map((ms) => ms / 1_000);
  expect(seconds).toEqual([10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600, 21_600]);
  expect(RETRY_DELAYS_MS.reduce((sum, ms) => sum + ms, 0)).toBe(((22 * 60 + 48) * 60 + 40) * 1_000);
});

test('after the fourteenth try nothing comes', () => {
  expect(retryDelayMs(0, 1)).toBe(10_000);
  expect(retryDelayMs(12, 1)).toBe(21_600_000);
  expect(retryDelayMs(13, 1)).toBeUndefined();
  expect(retryDelayMs(0, 0.01)).toBe(100);
});
