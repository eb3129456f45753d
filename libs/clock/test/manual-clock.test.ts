import { describe, expect, test } from 'vitest';
import { ManualClock } from '../src/index.ts';

describe('a manual clock', () => {
  test('stands still until it is told to move', async () => {
    const clock = new ManualClock(1_000);
    let calls = 0;
    clock.after(0, () => {
      calls += 1;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect([clock.nowMs(), clock.monotonicMs(), calls, clock.waitingCount]).toEqual([1_000, 0, 0, 1]);
    await clock.advance(0);
    expect([clock.nowMs(), clock.monotonicMs(), calls, clock.waitingCount]).toEqual([1_000, 0, 1, 0]);
  });

  test('starts with the year of the first order numbers when it is told nothing', () => {
    expect(new Date(new ManualClock().nowMs()).toISOString()).toBe('2026-01-01T00:00:00.000Z');
  });

  test('calls back in the order of what is due, then of what was asked first, each at its own time', async () => {
    const clock = new ManualClock(0);
    const calls: string[] = [];
    const note = (name: string) => () => calls.push(`${name} at ${clock.monotonicMs()}, wall ${clock.nowMs()}`);
    clock.after(30, note('c'));
    clock.after(10, note('a'));
    clock.after(30, note('d'));
    clock.after(20, note('b'));
    await clock.advance(30);
    expect(calls).toEqual(['a at 10, wall 10', 'b at 20, wall 20', 'c at 30, wall 30', 'd at 30, wall 30']);
  });

  test('does not call back one ms early', async () => {
    const clock = new ManualClock();
    let called = false;
    clock.after(10, () => {
      called = true;
    });
    await clock.advance(9);
    expect(called).toBe(false);
    await clock.advance(1);
    expect(called).toBe(true);
  });

  test('calls back in one step what a callback or a promise asks for on the way', async () => {
    const clock = new ManualClock();
    const at: number[] = [];
    const wokenTwice = async () => {
      await Promise.resolve();
      await clock.sleep(10);
      at.push(clock.monotonicMs());
    };
    let waking = Promise.resolve();
    clock.after(10, () => {
      waking = wokenTwice();
    });
    await clock.advance(25);
    await waking;
    expect(at).toEqual([20]);
    expect(clock.monotonicMs()).toBe(25);
  });

  test('never calls back what was cancelled, and cancelling twice does nothing', async () => {
    const clock = new ManualClock();
    let calls = 0;
    const count = () => {
      calls += 1;
    };
    const cancel = clock.after(10, count);
    clock.after(10, count);
    cancel();
    cancel();
    await clock.advance(10);
    cancel();
    expect([calls, clock.waitingCount]).toEqual([1, 0]);
  });

  test('steps its wall alone, as NTP or a person would: what waits is not touched', async () => {
    const clock = new ManualClock(10_000);
    const at: number[] = [];
    clock.after(10, () => at.push(clock.nowMs()));
    clock.stepWall(-5_000);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([5_000, 0]);
    await clock.advance(10);
    expect(at).toEqual([5_010]);
  });

  test('takes a delay below zero for none', async () => {
    const clock = new ManualClock();
    let called = false;
    clock.after(-5, () => {
      called = true;
    });
    await clock.advance(0);
    expect(called).toBe(true);
    expect(clock.monotonicMs()).toBe(0);
  });
});
