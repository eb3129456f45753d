import { expect, test } from 'vitest';
import { atWallTime, type Clock, ManualClock } from '../src/index.ts';

test('a moment comes when the wall clock shows it, and once', async () => {
  const clock = new ManualClock();
  const seen: number[] = [];
  const dueMs = clock.nowMs() + 3_000;
  atWallTime(clock, dueMs, () => seen.push(clock.nowMs()));
  await clock.advance(2_999);
  expect(seen).toEqual([]);
  await clock.advance(10_000);
  expect(seen).toEqual([dueMs]);
});

test('a timer that comes a millisecond early does not lose the moment', async () => {
  const manual = new ManualClock();
  const early: Clock = {
    nowMs: () => manual.nowMs(),
    monotonicMs: () => manual.monotonicMs(),
    after: (delayMs, callback) => manual.after(delayMs > 1 ? delayMs - 1 : delayMs, callback),
    sleep: (delayMs, signal) => manual.sleep(delayMs, signal),
  };
  const seen: number[] = [];
  const dueMs = early.nowMs() + 3_000;
  atWallTime(early, dueMs, () => seen.push(early.nowMs()));
  await manual.advance(5_000);
  expect(seen).toEqual([dueMs]);
});

test('a wall clock that is set back puts the moment off', async () => {
  const clock = new ManualClock();
  const seen: number[] = [];
  const dueMs = clock.nowMs() + 1_000;
  atWallTime(clock, dueMs, () => seen.push(clock.nowMs()));
  clock.stepWall(-60_000);
  await clock.advance(1_000);
  expect(seen).toEqual([]);
  await clock.advance(60_000);
  expect(seen).toEqual([dueMs]);
});

test('a moment that is over comes with the next turn, and none comes that was cancelled', async () => {
  const clock = new ManualClock();
  const seen: string[] = [];
  atWallTime(clock, clock.nowMs() - 5, () => seen.push('past'));
  const cancel = atWallTime(clock, clock.nowMs() + 100, () => seen.push('cancelled'));
  await clock.advance(1);
  cancel();
  await clock.advance(1_000);
  expect(seen).toEqual(['past']);
  expect(clock.waitingCount).toBe(0);
});
