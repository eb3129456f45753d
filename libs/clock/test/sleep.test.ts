import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { type Clock, ManualClock, systemClock } from '../src/index.ts';

const CLOCKS: readonly (readonly [string, () => Clock])[] = [
  ['a manual clock', () => new ManualClock()],
  ['the system clock', () => systemClock],
];

const reasonOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'it resolved',
    (reason: unknown) => reason,
  );

for (const [name, make] of CLOCKS) {
  describe(`sleeping by ${name}`, () => {
    test('ends at once, with the reason of the signal, when the signal is aborted', async () => {
      const abort = new AbortController();
      const sleeping = make().sleep(60_000, abort.signal);
      const reason = new Error('no longer needed');
      abort.abort(reason);
      expect(await reasonOf(sleeping)).toBe(reason);
    });

    test('does not begin when the signal is aborted already', async () => {
      const clock = make();
      const reason = new Error('too late');
      expect(await reasonOf(clock.sleep(60_000, AbortSignal.abort(reason)))).toBe(reason);
      if (clock instanceof ManualClock) expect(clock.waitingCount).toBe(0);
    });

    test('leaves neither listener nor timer behind, whichever way it ends', async () => {
      const clock = make();
      const abort = new AbortController();
      const short = clock.sleep(1, abort.signal);
      expect(getEventListeners(abort.signal, 'abort')).toHaveLength(1);
      if (clock instanceof ManualClock) await clock.advance(1);
      await short;
      expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
      const long = reasonOf(clock.sleep(60_000, abort.signal));
      abort.abort();
      await long;
      expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
      if (clock instanceof ManualClock) expect(clock.waitingCount).toBe(0);
    });
  });
}

describe('the system clock', () => {
  test('never wakes early', async () => {
    const beganMs = systemClock.monotonicMs();
    await systemClock.sleep(20);
    // Node's timers may fire up to 1 ms early by this measure.
    expect(systemClock.monotonicMs() - beganMs).toBeGreaterThanOrEqual(19);
  });

  test('takes a delay that is longer than a timer can be for the longest there is, not for none', async () => {
    let called = false;
    const cancel = systemClock.after(2 ** 31, () => {
      called = true;
    });
    await systemClock.sleep(10);
    cancel();
    expect(called).toBe(false);
  });

  test('calls back once, and never after it was cancelled', async () => {
    let kept = 0;
    let cancelled = 0;
    systemClock.after(1, () => {
      kept += 1;
    });
    systemClock.after(1, () => {
      cancelled += 1;
    })();
    await systemClock.sleep(15);
    expect([kept, cancelled]).toEqual([1, 0]);
  });
});
