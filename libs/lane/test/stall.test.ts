import type { ManualClock } from '@tillmesh/clock';
import { describe, expect, test } from 'vitest';
import type { Lane } from '../src/index.ts';
import { aLane, endOf, heldWork } from './a-lane.ts';

const LANE = { concurrentMax: 64, queuedMax: 16, queueWaitMsMax: 100, timeoutMs: 40_000, halfOpenAfterMs: 1_000 };
const TAKES_MS = 300;

/** Calls at a steady rate, each taking so long, until the time is over. */
const traffic = async (
  lane: Lane,
  clock: ManualClock,
  load: { readonly perSecond: number; readonly seconds: number; readonly takesMs?: (n: number) => number },
) => {
  const { perSecond, seconds, takesMs = () => TAKES_MS } = load;
  for (let n = 0; n < perSecond * seconds; n += 1) {
    void endOf(lane.run(() => clock.sleep(takesMs(n)).then(() => 'answer')));
    await clock.advance(1_000 / perSecond);
  }
};

/** Nothing comes back any more. @returns after how long the lane opened, ms; undefined where it did not. */
const hangFor = async (lane: Lane, clock: ManualClock, perSecond: number, seconds: number) => {
  const beganMs = clock.monotonicMs();
  for (let n = 0; n < perSecond * seconds; n += 1) {
    void endOf(lane.run(heldWork().work));
    await clock.advance(1_000 / perSecond);
    if (lane.reading().breaker !== 'closed') return clock.monotonicMs() - beganMs;
  }
  return undefined;
};

describe('a neighbour that stops to answer', () => {
  for (const perSecond of [3, 9, 50]) {
    test(`opens a lane of ${perSecond} calls a second within 2 s, though they have 40 s`, async () => {
      const { lane, clock } = aLane(LANE);
      await traffic(lane, clock, { perSecond, seconds: 20 });
      expect(lane.reading().breaker).toBe('closed');
      const openedAfterMs = await hangFor(lane, clock, perSecond, 10);
      expect(openedAfterMs).toBeLessThanOrEqual(2_000);
      expect(lane.reading()).toMatchObject({ breaker: 'open', stalled: true });
      // What is under way goes on: a place stands for a request that is out.
      expect(lane.reading().inFlight).toBeGreaterThanOrEqual(3);
    });
  }

  test('refuses those who wait for a place at once', async () => {
    const { lane, clock } = aLane({ ...LANE, concurrentMax: 5, queueWaitMsMax: 30_000 });
    await traffic(lane, clock, { perSecond: 10, seconds: 10 });
    const calls = Array.from({ length: 5 }, () => endOf(lane.run(heldWork().work)));
    const waiting = endOf(lane.run(heldWork().work));
    await clock.advance(1_900);
    expect(lane.reading()).toMatchObject({ breaker: 'open', stalled: true, queued: 0 });
    expect(await waiting).toBe('open');
    expect(calls).toHaveLength(5);
  });

  test('a lane of which nothing is known opens when half its places have waited for five seconds', async () => {
    const { lane, clock } = aLane({ ...LANE, concurrentMax: 10 });
    for (let n = 0; n < 5; n += 1) void endOf(lane.run(heldWork().work));
    await clock.advance(4_900);
    expect(lane.reading().breaker).toBe('closed');
    await clock.advance(300);
    expect(lane.reading()).toMatchObject({ breaker: 'open', stalled: true });
  });
});

describe('what is no stall', () => {
  test('a call now and then that takes its time', async () => {
    const { lane, clock } = aLane(LANE);
    // 0.2 calls a second, half of them slow, for ten minutes.
    for (let n = 0; n < 120; n += 1) {
      void endOf(lane.run(() => clock.sleep(n % 2 === 0 ? 200 : 12_000)));
      await clock.advance(5_000);
      expect(lane.reading().breaker).toBe('closed');
    }
  });

  test('payers who type, while others are quick', async () => {
    const { lane, clock } = aLane(LANE);
    await traffic(lane, clock, { perSecond: 5, seconds: 60, takesMs: (n) => (n % 4 === 0 ? 15_000 : TAKES_MS) });
    expect(lane.reading()).toMatchObject({ breaker: 'closed', stalled: false });
  });

  test('a pause of our own process', async () => {
    const { lane, clock } = aLane(LANE);
    await traffic(lane, clock, { perSecond: 10, seconds: 10 });
    const calls = Array.from({ length: 8 }, () => heldWork());
    const ends = calls.map(({ work }) => endOf(lane.run(work)));
    // All time passes in one step: no timer of ours has come in between.
    clock.jump(20_000);
    await clock.advance(50);
    expect(lane.reading().breaker).toBe('closed');
    for (const { succeed } of calls) succeed();
    await Promise.all(ends);
    expect(lane.reading().breaker).toBe('closed');
  });

  test('silence', async () => {
    const { lane, clock } = aLane(LANE);
    await traffic(lane, clock, { perSecond: 10, seconds: 10 });
    await clock.advance(60_000);
    expect(await endOf(lane.run(async () => 'answer'))).toBe('completed');
  });
});

describe('a neighbour that answers again', () => {
  /** Calls at a steady rate at a neighbour that is well again. @returns the most at once, and when the first second was all well. */
  const recover = async (lane: Lane, clock: ManualClock, perSecond: number) => {
    let running = 0;
    let most = 0;
    const bySecond: number[] = [];
    const beganMs = clock.monotonicMs();
    for (let n = 0; n < perSecond * 10; n += 1) {
      const second = Math.floor((clock.monotonicMs() - beganMs) / 1_000);
      void endOf(
        lane.run(async () => {
          running += 1;
          most = Math.max(most, running);
          await clock.sleep(TAKES_MS);
          running -= 1;
        }),
      ).then((end) => {
        if (end === 'completed') bySecond[second] = (bySecond[second] ?? 0) + 1;
      });
      await clock.advance(1_000 / perSecond);
    }
    await clock.advance(1_000);
    return { most, wellFromSecond: bySecond.findIndex((count) => (count ?? 0) >= 0.95 * perSecond) };
  };

  test('has 95 % of its calls again within 5 s, and at no moment more than 1.2 times of what is usual', async () => {
    const { lane, clock } = aLane(LANE);
    const perSecond = 40;
    await traffic(lane, clock, { perSecond, seconds: 30 });
    await hangFor(lane, clock, perSecond, 10);
    await clock.advance(10_000);
    const usual = perSecond * (TAKES_MS / 1_000);
    const { most, wellFromSecond } = await recover(lane, clock, perSecond);
    expect(wellFromSecond).toBeGreaterThanOrEqual(0);
    expect(wellFromSecond).toBeLessThanOrEqual(4);
    expect(most).toBeLessThanOrEqual(1.2 * (usual + 1));
    expect(lane.reading().breaker).toBe('closed');
  });

  test('a call that is the probe and hangs opens the lane again long before its time is up', async () => {
    const { lane, clock } = aLane(LANE);
    await traffic(lane, clock, { perSecond: 10, seconds: 10 });
    await hangFor(lane, clock, 10, 5);
    await clock.advance(1_000);
    expect(lane.reading().breaker).toBe('half_open');
    void endOf(lane.run(heldWork().work));
    await clock.advance(1_500);
    expect(lane.reading().breaker).toBe('open');
  });
});

describe('a lane with a probe', () => {
  const stalled = async () => {
    const made = aLane(LANE);
    await traffic(made.lane, made.clock, { perSecond: 10, seconds: 10 });
    return made;
  };

  test('asks it first, and lets no call through before it has said that the neighbour is well', async () => {
    const { lane, clock } = await stalled();
    const answers = [false, true];
    const asked: number[] = [];
    lane.setProbe(async () => {
      asked.push(clock.monotonicMs());
      return answers.shift() ?? true;
    });
    await hangFor(lane, clock, 10, 5);
    expect(asked).toEqual([]);
    await clock.advance(1_050);
    expect([asked.length, lane.reading().breaker]).toEqual([1, 'open']);
    await clock.advance(1_050);
    expect([asked.length, lane.reading().breaker]).toEqual([2, 'half_open']);
    expect(await endOf(lane.run(async () => 'answer'))).toBe('completed');
  });

  test('takes one that hangs or throws for a no', async () => {
    const { lane, clock } = await stalled();
    let asked = 0;
    lane.setProbe(() => {
      asked += 1;
      if (asked === 1) return new Promise<boolean>(() => {});
      throw new TypeError('a bug in a probe');
    });
    await hangFor(lane, clock, 10, 5);
    await clock.advance(1_100);
    expect(await endOf(lane.run(async () => 'answer'))).toBe('open');
    await clock.advance(5_000);
    expect(asked).toBeGreaterThanOrEqual(2);
    expect(lane.reading().breaker).toBe('open');
  });

  test('that has nothing to ask lets a call be the probe', async () => {
    const { lane, clock } = await stalled();
    lane.setProbe(() => undefined);
    await hangFor(lane, clock, 10, 5);
    await clock.advance(1_100);
    expect(await endOf(lane.run(async () => 'answer'))).toBe('completed');
  });
});
