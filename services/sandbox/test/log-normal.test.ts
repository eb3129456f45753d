import { seededRandom } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import { logNormalMs } from '../src/log-normal.ts';

test('half of the times lie below the median, 99 of 100 below p99, and none beyond ten times that', () => {
  const random = seededRandom(7);
  const times = Array.from({ length: 20_000 }, () => logNormalMs(random, 80, 900)).toSorted((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  expect(at(0.5)).toBeGreaterThan(76);
  expect(at(0.5)).toBeLessThan(84);
  expect(at(0.99)).toBeGreaterThan(780);
  expect(at(0.99)).toBeLessThan(1_040);
  expect(times.at(-1)).toBeLessThanOrEqual(9_000);
  expect(times[0]).toBeGreaterThan(0);
});

test('a median that is the 99th too is the same time for all', () => {
  const random = seededRandom(1);
  expect(logNormalMs(random, 50, 50)).toBeCloseTo(50, 9);
});
