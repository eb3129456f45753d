import { ManualClock, NO_TIMER } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import { type Timed, timeOutsOf } from '../src/time-outs.ts';

// Found by reading: the wheel before this one called it as soon as it had caught up, two seconds early.
test('a time-out that is added while the process catches up after a pause is not called early', async () => {
  const clock = new ManualClock();
  const timeOuts = timeOutsOf(clock);
  const calledAtMs: number[] = [];
  const timed = (dueMs: number, onDue: () => void): Timed => ({ dueMs, timer: NO_TIMER, onDue });
  timeOuts.add(
    timed(10, () => {
      const nowMs = clock.monotonicMs();
      timeOuts.add(
        timed(nowMs + 2_000, () => calledAtMs.push(clock.monotonicMs())),
        nowMs,
      );
    }),
    0,
  );
  clock.jump(3_010);
  await clock.advance(1_999);
  expect(calledAtMs).toEqual([]);
  await clock.advance(1);
  expect(calledAtMs).toEqual([5_010]);
});
