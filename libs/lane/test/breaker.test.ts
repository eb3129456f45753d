import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Lane } from '../src/index.ts';
import { aLane, type End, endOf, heldWork, settle } from './a-lane.ts';

const BREAKER = {
  concurrentMax: 10,
  callsMin: 4,
  failureShareMax: 0.5,
  halfOpenAfterMs: 1_000,
} as const;

const succeed = (lane: Lane): Promise<End> => endOf(lane.run(async () => 'answer'));
const fail = (lane: Lane): Promise<End> => endOf(lane.run(() => Promise.reject(new Error('sick'))));

/** A lane that its failures have opened. */
const anOpenLane = async (parts: Parameters<typeof aLane>[0] = {}) => {
  const opened = aLane({ ...BREAKER, ...parts });
  for (let call = 0; call < 4; call += 1) await fail(opened.lane);
  expect(opened.lane.reading().breaker).toBe('open');
  return opened;
};

describe('a lane opens', () => {
  test('when more than its share of the latest calls failed, and has no opinion before its minimum', async () => {
    const { lane } = aLane(BREAKER);
    for (let call = 0; call < 3; call += 1) expect(await fail(lane)).toBe('threw');
    expect(lane.reading().breaker).toBe('closed');
    await fail(lane);
    expect(lane.reading().breaker).toBe('open');
    const work = heldWork();
    expect(await endOf(lane.run(work.work))).toBe('open');
    expect(work.begun()).toBe(false);
    expect(lane.reading().rejected.open).toBe(1);
  });

  test('not at exactly its share', async () => {
    const { lane } = aLane(BREAKER);
    for (let pair = 0; pair < 10; pair += 1) {
      await succeed(lane);
      await fail(lane);
    }
    expect(lane.reading().breaker).toBe('closed');
    await fail(lane);
    expect(lane.reading().breaker).toBe('open');
  });

  test('exactly when the share of the last ten seconds says so, whatever the results and whenever they come', async () => {
    const result = fc.record({ healthy: fc.boolean(), afterMs: fc.nat(4_000) });
    await fc.assert(
      fc.asyncProperty(fc.array(result, { maxLength: 30 }), async (results) => {
        const { lane, clock } = aLane(BREAKER);
        const seen: { readonly healthy: boolean; readonly second: number }[] = [];
        for (const { healthy, afterMs } of results) {
          await clock.advance(afterMs);
          await (healthy ? succeed(lane) : fail(lane));
          const second = Math.floor(clock.monotonicMs() / 1_000);
          seen.push({ healthy, second });
          const recent = seen.filter((each) => each.second > second - 10);
          const failures = recent.filter((each) => !each.healthy).length;
          // Only a failure opens: a success never makes things worse.
          const opens = !healthy && recent.length >= 4 && failures > 0.5 * recent.length;
          expect(lane.reading().breaker).toBe(opens ? 'open' : 'closed');
          if (opens) return;
        }
      }),
      { numRuns: 200 },
    );
  });

  test('because of time-outs, and not because of callers that went away', async () => {
    const { lane, clock } = aLane({ ...BREAKER, timeoutMs: 10 });
    for (let call = 0; call < 6; call += 1) {
      const abort = new AbortController();
      const running = endOf(lane.run((signal) => clock.sleep(5_000, signal), { signal: abort.signal }));
      await settle();
      abort.abort();
      expect(await running).toBe('threw');
    }
    expect(lane.reading().breaker).toBe('closed');
    const slow = Array.from({ length: 4 }, () => endOf(lane.run((signal) => clock.sleep(5_000, signal))));
    await clock.advance(10);
    expect(await Promise.all(slow)).toEqual(['timeout', 'timeout', 'timeout', 'timeout']);
    expect(lane.reading().breaker).toBe('open');
  });

  test('not because of its own refusals', async () => {
    const { lane } = aLane({ ...BREAKER, concurrentMax: 1, queuedMax: 0 });
    const held = heldWork();
    const running = endOf(lane.run(held.work));
    for (let call = 0; call < 20; call += 1) expect(await succeed(lane)).toBe('full');
    held.succeed();
    await running;
    expect(lane.reading().breaker).toBe('closed');
  });

  test('because of errors and answers that its caller calls sick, and of no others', async () => {
    class Sick extends Error {}
    const isSick = (error: unknown) => error instanceof Sick;
    const healthy = aLane(BREAKER).lane;
    for (let call = 0; call < 10; call += 1) {
      await endOf(healthy.run(() => Promise.reject(new Error('declined')), { isSick }));
      await healthy.run(async () => ({ httpStatus: 400 }), {
        isSickAnswer: (answer: { httpStatus: number }) => answer.httpStatus >= 500,
      });
    }
    expect(healthy.reading()).toMatchObject({ breaker: 'closed', failed: 0 });
    const byError = aLane(BREAKER).lane;
    for (let call = 0; call < 4; call += 1) await endOf(byError.run(() => Promise.reject(new Sick()), { isSick }));
    expect(byError.reading().breaker).toBe('open');
    const byAnswer = aLane(BREAKER).lane;
    for (let call = 0; call < 4; call += 1) {
      const answer = await byAnswer.run(async () => ({ httpStatus: 503 }), {
        isSickAnswer: ({ httpStatus }: { httpStatus: number }) => httpStatus >= 500,
      });
      expect(answer).toEqual({ httpStatus: 503 });
    }
    expect(byAnswer.reading().breaker).toBe('open');
  });

  test('and the calls that wait in its queue are refused with it', async () => {
    const { lane } = aLane({ ...BREAKER, concurrentMax: 1, callsMin: 1 });
    const held = heldWork();
    const ends = [endOf(lane.run(held.work)), succeed(lane), succeed(lane)];
    await settle();
    held.fail();
    expect(await Promise.all(ends)).toEqual(['threw', 'open', 'open']);
    expect(lane.reading()).toMatchObject({ inFlight: 0, queued: 0 });
  });
});

describe('an open lane', () => {
  test('refuses until its time is over, then lets exactly one through and refuses the rest at once', async () => {
    const { lane, clock } = await anOpenLane();
    await clock.advance(999);
    expect(await succeed(lane)).toBe('open');
    await clock.advance(1);
    expect(lane.reading().breaker).toBe('half_open');
    const probe = heldWork();
    const probing = endOf(lane.run(probe.work));
    const others = Array.from({ length: 100 }, () => heldWork());
    // They are refused while the probe is still out: nobody waits for it.
    expect(new Set(await Promise.all(others.map(({ work }) => endOf(lane.run(work)))))).toEqual(new Set(['open']));
    expect([probe.begun(), others.some(({ begun }) => begun())]).toEqual([true, false]);
    probe.succeed();
    expect(await probing).toBe('completed');
    expect(lane.reading().breaker).toBe('closed');
    expect(await succeed(lane)).toBe('completed');
  });

  test('refuses the rest at once also when the probe has its only place', async () => {
    const { lane, clock } = await anOpenLane({ concurrentMax: 1 });
    await clock.advance(1_000);
    const probe = heldWork();
    const probing = endOf(lane.run(probe.work));
    expect(await succeed(lane)).toBe('open');
    expect(lane.reading().queued).toBe(0);
    probe.succeed();
    await probing;
  });

  test('opens again for its whole time when the probe fails', async () => {
    const { lane, clock } = await anOpenLane();
    await clock.advance(1_000);
    expect(await fail(lane)).toBe('threw');
    expect(lane.reading().breaker).toBe('open');
    await clock.advance(999);
    expect(await succeed(lane)).toBe('open');
    await clock.advance(1);
    expect(await succeed(lane)).toBe('completed');
  });

  test('opens again when the probe takes too long', async () => {
    const { lane, clock } = await anOpenLane({ timeoutMs: 100 });
    await clock.advance(1_000);
    const probing = endOf(lane.run((signal) => clock.sleep(5_000, signal)));
    await clock.advance(100);
    expect(await probing).toBe('timeout');
    expect(lane.reading().breaker).toBe('open');
  });

  test('learns nothing from a probe whose caller went away, and lets another through', async () => {
    const { lane, clock } = await anOpenLane();
    await clock.advance(1_000);
    const abort = new AbortController();
    const probing = endOf(lane.run((signal) => clock.sleep(5_000, signal), { signal: abort.signal }));
    await clock.advance(1);
    abort.abort();
    expect(await probing).toBe('threw');
    expect(lane.reading().breaker).toBe('half_open');
    expect(await fail(lane)).toBe('threw');
    expect(lane.reading().breaker).toBe('open');
  });

  test('is not closed, opened or held open by results of calls from before', async () => {
    const { lane, clock } = aLane(BREAKER);
    const old = [heldWork(), heldWork(), heldWork()];
    const ends = old.map(({ work }) => endOf(lane.run(work)));
    for (let call = 0; call < 4; call += 1) await fail(lane);
    // A success of the closed era comes while the lane is open.
    old[0]?.succeed();
    await settle();
    expect(lane.reading().breaker).toBe('open');
    await clock.advance(1_000);
    const probe = heldWork();
    const probing = endOf(lane.run(probe.work));
    await settle();
    // A failure of the closed era comes while the probe is out.
    old[1]?.fail();
    await settle();
    expect(lane.reading().breaker).toBe('half_open');
    probe.succeed();
    await probing;
    expect(lane.reading().breaker).toBe('closed');
    // And one comes after it: it is no call of the new era.
    old[2]?.fail();
    await Promise.all(ends);
    for (let call = 0; call < 3; call += 1) await fail(lane);
    expect(lane.reading().breaker).toBe('closed');
  });

  test('goes on although a judgement throws: an answer stays the answer, and a probe does not hold the lane for ever', async () => {
    const { lane, clock } = await anOpenLane();
    const broken = (): never => {
      throw new TypeError('a bug in a judgement');
    };
    await clock.advance(1_000);
    const error = new Error('the real one');
    await expect(lane.run(() => Promise.reject(error), { isSick: broken })).rejects.toBe(error);
    expect(lane.reading().breaker).toBe('open');
    await clock.advance(1_000);
    expect(await lane.run(async () => 'answer', { isSickAnswer: broken })).toBe('answer');
    expect(lane.reading().breaker).toBe('closed');
  });
});

describe('time and a breaker', () => {
  test('a clock that is set back or forward changes nothing', async () => {
    const { lane, clock } = await anOpenLane();
    clock.stepWall(-60_000);
    await clock.advance(999);
    clock.stepWall(3_600_000);
    expect(await succeed(lane)).toBe('open');
    await clock.advance(1);
    expect(await succeed(lane)).toBe('completed');
  });

  test('failures before a long silence are forgotten: one more does not open the lane', async () => {
    const { lane, clock } = aLane(BREAKER);
    for (let call = 0; call < 3; call += 1) await fail(lane);
    await clock.advance(3_600_000);
    await fail(lane);
    expect(lane.reading().breaker).toBe('closed');
  });

  test('the state of a lane that nobody calls is what it is, not what it was', async () => {
    const { lane, clock } = await anOpenLane();
    await clock.advance(1_000);
    expect(lane.reading().breaker).toBe('half_open');
  });
});
