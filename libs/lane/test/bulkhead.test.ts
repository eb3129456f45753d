import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { timeOutsOf } from '../src/time-outs.ts';
import { aLane, type End, endOf, heldWork, NEVER_OPEN, settle } from './a-lane.ts';

/** A lane looks at the age of its calls so long after the last one. */
const WATCH_ENDS_MS = 200;

describe('a lane', () => {
  test('lets as many calls through as it has places, queues as many as it may, and refuses the rest at once', async () => {
    const { lane } = aLane({ concurrentMax: 2, queuedMax: 1 });
    const works = [heldWork(), heldWork(), heldWork(), heldWork()];
    const ends = works.map(({ work }) => endOf(lane.run(work)));
    await settle();
    expect(works.map(({ begun }) => begun())).toEqual([true, true, false, false]);
    expect(lane.reading()).toMatchObject({ inFlight: 2, queued: 1, rejected: { full: 1 } });
    for (const { succeed } of works) succeed();
    expect(await Promise.all(ends)).toEqual(['completed', 'completed', 'completed', 'full']);
    expect(lane.reading()).toMatchObject({ inFlight: 0, queued: 0, succeeded: 3 });
  });

  test('gives a place that is free to who waits longest, also when others come in the same turn', async () => {
    const { lane } = aLane({ concurrentMax: 1, queuedMax: 1 });
    const first = heldWork();
    const waiting = heldWork();
    const barging = [heldWork(), heldWork()];
    const ends = [endOf(lane.run(first.work)), endOf(lane.run(waiting.work))];
    await settle();
    first.succeed();
    // Every offset in microtasks at which the place might be free for a moment.
    for (let turn = 0; turn < 12; turn += 1) {
      for (const { work } of barging) ends.push(endOf(lane.run(work)));
      await Promise.resolve();
    }
    await settle();
    expect(waiting.begun()).toBe(true);
    waiting.succeed();
    for (const { succeed } of barging) succeed();
    expect((await Promise.all(ends)).slice(0, 2)).toEqual(['completed', 'completed']);
  });

  test('frees its place when work throws before it returns a promise', async () => {
    const { lane } = aLane();
    const work = (): Promise<never> => {
      throw new TypeError('at once');
    };
    expect(await endOf(lane.run(work))).toBe('threw');
    expect(lane.reading().inFlight).toBe(0);
    expect(await lane.run(async () => 7)).toBe(7);
  });

  test('rejects with what the work rejected with, itself', async () => {
    const { lane } = aLane();
    const error = new RangeError('x');
    await expect(lane.run(() => Promise.reject(error))).rejects.toBe(error);
  });
});

describe('a call that waits', () => {
  test('leaves the queue at once when its caller goes away', async () => {
    const { lane, clock } = aLane();
    const held = heldWork();
    const abort = new AbortController();
    const running = endOf(lane.run(held.work));
    const gone = heldWork();
    const waiting = lane.run(gone.work, { signal: abort.signal });
    const reason = new Error('gone');
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(lane.reading()).toMatchObject({ inFlight: 1, queued: 0 });
    // Its own time-out and the look at ages; none for the one that has left.
    expect(timeOutsOf(clock).count).toBe(2);
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    held.succeed();
    await running;
    await settle();
    expect(gone.begun()).toBe(false);
    expect(lane.reading().inFlight).toBe(0);
  });

  test('gives its place in the queue to the next when its caller goes away', async () => {
    const { lane } = aLane({ queuedMax: 1 });
    const held = heldWork();
    const abort = new AbortController();
    const ends = [endOf(lane.run(held.work)), endOf(lane.run(heldWork().work, { signal: abort.signal }))];
    abort.abort();
    ends.push(endOf(lane.run(async () => 7)));
    held.succeed();
    expect(await Promise.all(ends)).toEqual(['completed', 'threw', 'completed']);
  });

  for (const [what, queueWaitMsMax, budgetMs, leftAtMs] of [
    ["the lane's longest wait", 100, 5_000, 100],
    ["its caller's budget", 1_000, 30, 30],
  ] as const) {
    test(`leaves the queue after ${what}, and not one ms before`, async () => {
      const { lane, clock } = aLane({ queueWaitMsMax });
      const held = heldWork();
      const running = endOf(lane.run(held.work));
      let end: End | undefined;
      const waiting = endOf(lane.run(async () => 7, { budgetMs })).then((known) => {
        end = known;
      });
      await clock.advance(leftAtMs - 1);
      expect([end, lane.reading().queued]).toEqual([undefined, 1]);
      await clock.advance(1);
      await waiting;
      expect([end, lane.reading().queued]).toEqual(['queue_wait_too_long', 0]);
      held.succeed();
      await running;
    });
  }

  test('has begun when it is out of the queue: there is no moment in which its caller can go away unheard', async () => {
    const { lane } = aLane();
    const held = heldWork();
    const abort = new AbortController();
    const running = endOf(lane.run(held.work));
    const next = heldWork();
    const waiting = endOf(lane.run(next.work, { signal: abort.signal }));
    held.succeed();
    // The place is handed over in a microtask of the first call's end; the abort comes right after it.
    for (let turn = 0; turn < 20 && lane.reading().queued > 0; turn += 1) await Promise.resolve();
    abort.abort();
    expect([next.begun(), next.signal()?.aborted]).toEqual([true, true]);
    next.fail();
    expect(await Promise.all([running, waiting])).toEqual(['completed', 'threw']);
    expect(lane.reading()).toMatchObject({ inFlight: 0, queued: 0, abandoned: 1, failed: 0 });
  });

  test('has what is left of its budget for the work', async () => {
    const { lane, clock } = aLane();
    const held = heldWork();
    const running = endOf(lane.run(held.work));
    const second = heldWork();
    const waiting = endOf(lane.run(second.work, { budgetMs: 100 }));
    await clock.advance(60);
    held.succeed();
    await running;
    await clock.advance(39);
    expect(second.signal()?.aborted).toBe(false);
    await clock.advance(1);
    expect(second.signal()?.aborted).toBe(true);
    expect(await waiting).toBe('timeout');
  });

  test('is refused before it waits when it has no time or no caller left', async () => {
    const { lane } = aLane();
    const work = heldWork();
    expect(await endOf(lane.run(work.work, { budgetMs: 0 }))).toBe('no_time_left');
    expect(await endOf(lane.run(work.work, { budgetMs: -5 }))).toBe('no_time_left');
    expect(await endOf(lane.run(work.work, { signal: AbortSignal.abort() }))).toBe('threw');
    expect(work.begun()).toBe(false);
  });
});

/** A call of a random schedule. */
type Planned = {
  readonly atMs: number;
  readonly workMs: number;
  readonly honours: boolean;
  readonly fails: boolean;
  readonly budgetMs: number;
  readonly abortAfterMs: number | undefined;
};
const plannedOf: fc.Arbitrary<Planned> = fc.record({
  atMs: fc.nat(200),
  workMs: fc.nat(120),
  honours: fc.boolean(),
  fails: fc.boolean(),
  budgetMs: fc.integer({ min: 1, max: 300 }),
  abortAfterMs: fc.option(fc.nat(150), { nil: undefined }),
});

/** Runs a schedule to its end; tells the most that ran at once, who began in which order, and how each call ended. */
const play = async (concurrentMax: number, queuedMax: number, plan: readonly Planned[]) => {
  const { lane, clock } = aLane({ concurrentMax, queuedMax, queueWaitMsMax: 80, timeoutMs: 100, ...NEVER_OPEN });
  const began: number[] = [];
  const ends: End[] = [];
  let running = 0;
  let runningMax = 0;
  let queuedMost = 0;
  const calls: Promise<void>[] = [];
  const start = (planned: Planned, index: number) => {
    const abort = new AbortController();
    if (planned.abortAfterMs !== undefined) clock.after(planned.abortAfterMs, () => abort.abort());
    const work = async (signal: AbortSignal) => {
      began.push(index);
      running += 1;
      runningMax = Math.max(runningMax, running);
      try {
        await clock.sleep(planned.workMs, planned.honours ? signal : undefined);
        if (planned.fails) throw new Error('sick');
      } finally {
        running -= 1;
      }
    };
    const call = endOf(lane.run(work, { signal: abort.signal, budgetMs: planned.budgetMs }));
    queuedMost = Math.max(queuedMost, lane.reading().queued);
    calls.push(
      call.then((end) => {
        ends[index] = end;
      }),
    );
  };
  const ordered = plan.toSorted((a, b) => a.atMs - b.atMs);
  for (const [index, planned] of ordered.entries()) clock.after(planned.atMs, () => start(planned, index));
  await clock.advance(1_000);
  await Promise.all(calls);
  return { lane, clock, began, ends, runningMax, queuedMost };
};

describe('whatever comes, whenever it comes', () => {
  test('no more run at once than may, none overtakes another, every call ends, and every place is free afterwards', async () => {
    const limits = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(5));
    await fc.assert(
      fc.asyncProperty(limits, fc.array(plannedOf, { maxLength: 30 }), async ([concurrentMax, queuedMax], plan) => {
        const { lane, clock, began, ends, runningMax, queuedMost } = await play(concurrentMax, queuedMax, plan);
        expect(runningMax).toBeLessThanOrEqual(concurrentMax);
        expect(queuedMost).toBeLessThanOrEqual(queuedMax);
        expect(began).toEqual(began.toSorted((a, b) => a - b));
        expect(ends.filter((end) => end !== undefined)).toHaveLength(plan.length);
        expect(ends).not.toContain('open');
        const reading = lane.reading();
        expect(reading).toMatchObject({ inFlight: 0, queued: 0, breaker: 'closed' });
        const rejected = Object.values(reading.rejected).reduce((sum, count) => sum + count, 0);
        const countOf = (...wanted: readonly End[]) => ends.filter((end) => wanted.includes(end)).length;
        expect(rejected).toBe(countOf('full', 'queue_wait_too_long', 'no_time_left'));
        expect(reading.succeeded).toBe(countOf('completed'));
        expect(reading.timedOut).toBe(countOf('timeout'));
        await clock.advance(WATCH_ENDS_MS);
        expect(timeOutsOf(clock).count).toBe(0);
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});

describe('the numbers of a lane', () => {
  for (const [field, value] of [
    ['concurrentMax', 0],
    ['concurrentMax', Number.POSITIVE_INFINITY],
    ['concurrentMax', Number.NaN],
    ['concurrentMax', 1.5],
    ['queuedMax', -1],
    ['queuedMax', Number.POSITIVE_INFINITY],
    ['queueWaitMsMax', -1],
    ['queueWaitMsMax', Number.POSITIVE_INFINITY],
    ['timeoutMs', 0],
    ['timeoutMs', 2 ** 31],
    ['halfOpenAfterMs', 0],
  ] as const) {
    test(`may not be ${field} ${value}`, () => {
      expect(() => aLane({ [field]: value })).toThrow(`lane test: ${field} must be a whole number`);
    });
  }
});
