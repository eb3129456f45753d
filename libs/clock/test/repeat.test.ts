import { describe, expect, test } from 'vitest';
import { ManualClock, repeat } from '../src/index.ts';

/** A loop on a manual clock, with what it did. */
const startLoop = (task: (loop: { run: number; clock: ManualClock; signal: AbortSignal }) => Promise<void>) => {
  const clock = new ManualClock();
  const abort = new AbortController();
  const startedAtMs: number[] = [];
  const errors: unknown[] = [];
  const ended = repeat({
    clock,
    everyMs: 10,
    signal: abort.signal,
    task: () => {
      startedAtMs.push(clock.monotonicMs());
      return task({ run: startedAtMs.length, clock, signal: abort.signal });
    },
    onError: (error) => errors.push(error),
  });
  return { clock, abort, startedAtMs, errors, ended };
};

describe('a repeated task', () => {
  test('runs at once and then again after its pause', async () => {
    const { clock, abort, startedAtMs, ended } = startLoop(async () => {});
    await clock.advance(25);
    expect(startedAtMs).toEqual([0, 10, 20]);
    abort.abort();
    await ended;
  });

  test('never overlaps itself: the pause begins when a run has ended', async () => {
    let under = 0;
    let underMax = 0;
    const { clock, abort, startedAtMs, ended } = startLoop(async (loop) => {
      under += 1;
      underMax = Math.max(underMax, under);
      // Longer than the pause: an interval would start three of them.
      await loop.clock.sleep(35);
      under -= 1;
    });
    await clock.advance(100);
    expect([startedAtMs, underMax]).toEqual([[0, 45, 90], 1]);
    abort.abort();
    await clock.advance(100);
    await ended;
    expect(startedAtMs).toHaveLength(3);
  });

  test('goes on after a run that rejects and after one that throws, and tells of both', async () => {
    const { clock, abort, startedAtMs, errors, ended } = startLoop(({ run }) => {
      if (run === 1) throw new Error('thrown');
      return run === 2 ? Promise.reject(new Error('rejected')) : Promise.resolve();
    });
    await clock.advance(20);
    expect(startedAtMs).toEqual([0, 10, 20]);
    expect(errors).toMatchObject([{ message: 'thrown' }, { message: 'rejected' }]);
    abort.abort();
    await ended;
  });

  test('ends its pause at once when the signal is aborted, and leaves no timer', async () => {
    const { clock, abort, ended } = startLoop(async () => {});
    await clock.advance(1);
    expect(clock.waitingCount).toBe(1);
    abort.abort();
    await ended;
    expect(clock.waitingCount).toBe(0);
  });

  test('never runs when the signal is aborted before', async () => {
    const abort = new AbortController();
    abort.abort();
    let runs = 0;
    await repeat({
      clock: new ManualClock(),
      everyMs: 1,
      signal: abort.signal,
      task: async () => {
        runs += 1;
      },
      onError: () => {},
    });
    expect(runs).toBe(0);
  });

  test('does not tell of the error with which a run answers the abort', async () => {
    const { clock, abort, errors, ended } = startLoop((loop) => loop.clock.sleep(1_000, loop.signal));
    await clock.advance(1);
    abort.abort(new Error('stop'));
    await ended;
    expect(errors).toEqual([]);
  });
});
