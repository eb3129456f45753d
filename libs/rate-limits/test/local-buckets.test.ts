import { ManualClock } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import type { Bucket } from '../src/limit.ts';
import { LocalBuckets, shareOf } from '../src/local-buckets.ts';

const bucket = (key: string, perSecond: number, burst: number): Bucket => ({
  kind: 'merchant',
  key,
  limit: { perSecond, burst },
});

/** How many of so many calls in a row are allowed. */
const allowed = (buckets: LocalBuckets, asked: readonly Bucket[], calls: number): number =>
  Array.from({ length: calls }, () => buckets.take(asked)).filter((verdict) => verdict.allowed).length;

test('a burst may come at once, then one call for each interval, and a full burst after a rest', async () => {
  const clock = new ManualClock();
  const buckets = new LocalBuckets(clock, 1);
  const one = [bucket('a', 10, 5)];
  expect(allowed(buckets, one, 20)).toBe(5);
  expect(buckets.take(one)).toMatchObject({ allowed: false, retryAfterMs: 100 });
  await clock.advance(100);
  expect(allowed(buckets, one, 20)).toBe(1);
  await clock.advance(250);
  expect(allowed(buckets, one, 20)).toBe(2);
  await clock.advance(60_000);
  expect(allowed(buckets, one, 20)).toBe(5);
});

test('of several buckets none loses a token where one is empty', () => {
  const buckets = new LocalBuckets(new ManualClock(), 1);
  const [wide, narrow] = [bucket('wide', 10, 3), bucket('narrow', 10, 1)];
  expect(allowed(buckets, [wide, narrow], 5)).toBe(1);
  expect(buckets.take([wide, narrow])).toMatchObject({ allowed: false, bucket: narrow });
  expect(allowed(buckets, [wide], 5)).toBe(2);
});

test('a process has its part of a limit, and at least one call', () => {
  expect(shareOf({ perSecond: 10, burst: 7 }, 2)).toEqual({ perSecond: 5, burst: 3 });
  expect(shareOf({ perSecond: 1, burst: 1 }, 4)).toEqual({ perSecond: 0.25, burst: 1 });
  expect(allowed(new LocalBuckets(new ManualClock(), 2), [bucket('a', 10, 8)], 20)).toBe(4);
});

test('a flood of keys does not grow the memory without end, and costs nobody who calls too much a thing', async () => {
  const clock = new ManualClock();
  const buckets = new LocalBuckets(clock, 1);
  const refused = bucket('refused again and again', 1, 1);
  buckets.take([refused]);
  for (let key = 0; key < 50_000; key += 1) {
    buckets.take([bucket(`k${key}`, 1, 1)]);
    if (key % 1_000 === 0) expect(buckets.take([refused]).allowed).toBe(false);
  }
  expect(allowed(buckets, [bucket('k49999', 1, 1)], 3)).toBe(0);
  await clock.advance(2_000);
  expect(allowed(buckets, [bucket('k49999', 1, 1)], 3)).toBe(1);
});
