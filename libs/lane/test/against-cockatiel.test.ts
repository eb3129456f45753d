import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  ConstantBackoff,
  circuitBreaker,
  handleAll,
  handleWhen,
  retry,
  SamplingBreaker,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { aLane, endOf, heldWork, settle } from './a-lane.ts';

// Why the lane is not a wrap() of cockatiel 4.0.0's policies: each of these shows first what the lane does, then what the bare
// policy does in the same place. When one of the latter fails, cockatiel has mended it: the lane can become smaller.

const never = () => new Promise<never>(() => {});
const sick = () => Promise.reject(new Error('sick'));
const stateOf = async (promise: Promise<unknown>): Promise<'waits' | 'settled'> => {
  let state: 'waits' | 'settled' = 'waits';
  const note = () => {
    state = 'settled';
  };
  promise.then(note, note);
  await settle();
  return state;
};

describe('a queued call whose caller goes away', () => {
  test('leaves the lane at once', async () => {
    const { lane } = aLane();
    const abort = new AbortController();
    const held = endOf(lane.run(heldWork().work));
    const queued = lane.run(never, { signal: abort.signal });
    abort.abort();
    expect(await stateOf(queued)).toBe('settled');
    expect(await stateOf(held)).toBe('waits');
    expect(lane.reading().queued).toBe(0);
  });

  test('stays in the queue of a bare bulkhead, and holds its place there', async () => {
    const policy = bulkhead(1, 1);
    const abort = new AbortController();
    void policy.execute(never);
    const queued = policy.execute(never, abort.signal);
    abort.abort();
    expect(await stateOf(queued)).toBe('waits');
    expect(policy.queueSlots).toBe(0);
  });
});

describe('a queued call that was there first', () => {
  test('gets the place of the lane', async () => {
    const { lane } = aLane({ queuedMax: 1 });
    const first = heldWork();
    const waiting = heldWork();
    const ends = [endOf(lane.run(first.work)), endOf(lane.run(waiting.work))];
    first.succeed();
    for (let turn = 0; turn < 12; turn += 1) {
      void endOf(lane.run(never));
      await Promise.resolve();
    }
    waiting.succeed();
    expect(await Promise.all(ends)).toEqual(['completed', 'completed']);
  });

  test('is overtaken and then rejected by a bare bulkhead', async () => {
    const outcomes = new Set<string>();
    // At some offset in microtasks the place is free and nobody's.
    for (let offset = 0; offset < 12; offset += 1) {
      const policy = bulkhead(1, 1);
      const first = heldWork();
      void policy.execute(() => first.work(new AbortController().signal));
      const waiting = policy
        .execute(async () => 'mine')
        .then(
          () => 'completed',
          (error: unknown) => (error instanceof BulkheadRejectedError ? 'rejected after it was queued' : 'failed'),
        );
      first.succeed();
      for (let turn = 0; turn < offset; turn += 1) await Promise.resolve();
      for (let barging = 0; barging < 2; barging += 1) policy.execute(never).catch(() => undefined);
      await settle();
      outcomes.add(await Promise.race([waiting, settle().then(() => 'waits behind others')]));
    }
    expect([...outcomes]).toContain('rejected after it was queued');
  });
});

const OPEN_AT_ONCE = { callsMin: 1, halfOpenAfterMs: 10, concurrentMax: 100 } as const;

describe('while a probe is out', () => {
  test('the lane refuses everybody else at once', async () => {
    const { lane, clock } = aLane(OPEN_AT_ONCE);
    await endOf(lane.run(sick));
    await clock.advance(10);
    void endOf(lane.run(never));
    const others = Array.from({ length: 50 }, () => endOf(lane.run(never)));
    expect(new Set(await Promise.all(others))).toEqual(new Set(['open']));
  });

  test('a bare circuit breaker lets everybody wait, without a bound and deaf to their signals, and then run at once', async () => {
    const policy = circuitBreaker(handleAll, { halfOpenAfter: 0, breaker: new ConsecutiveBreaker(1) });
    await policy.execute(sick).catch(() => undefined);
    const probe = heldWork();
    const probing = policy.execute(() => probe.work(new AbortController().signal));
    let ran = 0;
    const abort = new AbortController();
    const others = Array.from({ length: 50 }, () =>
      policy.execute(async () => {
        ran += 1;
      }, abort.signal),
    );
    expect(await stateOf(Promise.race(others))).toBe('waits');
    const one = new AbortController();
    const impatient = policy.execute(async () => {}, one.signal);
    one.abort();
    expect(await stateOf(impatient)).toBe('waits');
    probe.succeed();
    await probing;
    await Promise.all(others);
    expect(ran).toBe(50);
    await impatient.catch(() => undefined);
  });
});

describe('a failure that began before the circuit opened and ends during the probe', () => {
  test('says nothing to the lane', async () => {
    const { lane, clock } = aLane(OPEN_AT_ONCE);
    const old = heldWork();
    const slow = endOf(lane.run(old.work));
    await endOf(lane.run(sick));
    await clock.advance(10);
    const probe = heldWork();
    const probing = endOf(lane.run(probe.work));
    old.fail();
    await slow;
    probe.succeed();
    await probing;
    expect(lane.reading().breaker).toBe('closed');
  });

  test('opens a bare circuit breaker again, and the success of the probe is not heard', async () => {
    const policy = circuitBreaker(handleAll, { halfOpenAfter: 0, breaker: new ConsecutiveBreaker(1) });
    const old = heldWork();
    const slow = policy.execute(() => old.work(new AbortController().signal)).catch(() => undefined);
    await policy.execute(sick).catch(() => undefined);
    const probe = heldWork();
    const probing = policy.execute(() => probe.work(new AbortController().signal));
    old.fail();
    await slow;
    probe.succeed();
    await probing;
    expect(policy.state).toBe(CircuitState.Open);
  });
});

describe('a probe whose caller goes away', () => {
  test('teaches the lane nothing', async () => {
    const { lane, clock } = aLane(OPEN_AT_ONCE);
    await endOf(lane.run(sick));
    await clock.advance(10);
    const abort = new AbortController();
    const probing = endOf(lane.run((signal) => clock.sleep(1_000, signal), { signal: abort.signal }));
    abort.abort();
    await probing;
    expect(lane.reading().breaker).toBe('half_open');
  });

  test('closes a bare circuit breaker of which nobody knows that it is well', async () => {
    const notCancelled = handleWhen((error) => !(error instanceof TaskCancelledError));
    const policy = circuitBreaker(notCancelled, { halfOpenAfter: 0, breaker: new ConsecutiveBreaker(1) });
    await policy.execute(sick).catch(() => undefined);
    await policy.execute(() => Promise.reject(new TaskCancelledError())).catch(() => undefined);
    expect(policy.state).toBe(CircuitState.Closed);
  });
});

describe('a caller that goes away before the time is up', () => {
  test('is no time-out of the lane', async () => {
    const { lane, clock } = aLane({ timeoutMs: 1_000 });
    const abort = new AbortController();
    const running = endOf(lane.run((signal) => clock.sleep(5_000, signal), { signal: abort.signal }));
    abort.abort();
    expect(await running).toBe('threw');
    expect(lane.reading().timedOut).toBe(0);
  });

  test('is counted as a time-out by a bare timeout, and told as one', async () => {
    const policy = timeout(1_000, TimeoutStrategy.Aggressive);
    let timeouts = 0;
    policy.onTimeout(() => {
      timeouts += 1;
    });
    const abort = new AbortController();
    const running = policy.execute(never, abort.signal);
    abort.abort();
    await expect(running).rejects.toThrow('Operation timed out after 1000ms');
    expect(timeouts).toBe(1);
  });
});

describe('time', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1) });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const passMs = (ms: number) => vi.setSystemTime(Date.now() + ms);

  test('an hour of silence makes old failures old for the lane', async () => {
    const { lane, clock } = aLane({ callsMin: 10, concurrentMax: 100 });
    for (let call = 0; call < 9; call += 1) await endOf(lane.run(sick));
    await clock.advance(3_600_000);
    await endOf(lane.run(sick));
    expect(lane.reading().breaker).toBe('closed');
  });

  test('an hour of silence does not make old failures old for a bare sampling breaker of 10 s', async () => {
    const breaker = new SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 1 });
    const policy = circuitBreaker(handleAll, { halfOpenAfter: 1_000, breaker });
    for (let call = 0; call < 9; call += 1) await policy.execute(sick).catch(() => undefined);
    passMs(3_600_000);
    await policy.execute(sick).catch(() => undefined);
    expect(policy.state).toBe(CircuitState.Open);
  });

  test('a wall clock that is set back does not keep the lane open', async () => {
    const { lane, clock } = aLane({ ...OPEN_AT_ONCE, halfOpenAfterMs: 1_000 });
    await endOf(lane.run(sick));
    clock.stepWall(-60_000);
    await clock.advance(1_000);
    expect(await endOf(lane.run(async () => 7))).toBe('completed');
  });

  test('a wall clock that is set back keeps a bare circuit breaker open for as much longer', async () => {
    const policy = circuitBreaker(handleAll, { halfOpenAfter: 1_000, breaker: new ConsecutiveBreaker(1) });
    await policy.execute(sick).catch(() => undefined);
    passMs(-60_000);
    passMs(59_000);
    await expect(policy.execute(async () => 7)).rejects.toThrow(BrokenCircuitError);
  });
});

describe('a neighbour that is called now and then', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1) });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('opens the lane when it fails, at two calls a second', async () => {
    const { lane, clock } = aLane({ concurrentMax: 100 });
    for (let call = 0; call < 12; call += 1) {
      await endOf(lane.run(sick));
      await clock.advance(500);
    }
    expect(lane.reading().breaker).not.toBe('closed');
  });

  test('never opens a bare sampling breaker with its defaults: half of them over 30 s asks for 300 calls', async () => {
    const breaker = new SamplingBreaker({ threshold: 0.5, duration: 30_000 });
    const policy = circuitBreaker(handleAll, { halfOpenAfter: 1_000, breaker });
    for (let call = 0; call < 120; call += 1) {
      await policy.execute(sick).catch(() => undefined);
      vi.setSystemTime(Date.now() + 500);
    }
    expect(policy.state).toBe(CircuitState.Closed);
  });
});

describe('the state of an idle circuit', () => {
  test('of the lane is what the next call would meet', async () => {
    const { lane, clock } = aLane(OPEN_AT_ONCE);
    await endOf(lane.run(sick));
    await clock.advance(10);
    expect(lane.reading().breaker).toBe('half_open');
  });

  test('of a bare circuit breaker is still open long after a call would go through', async () => {
    const policy = circuitBreaker(handleAll, { halfOpenAfter: 0, breaker: new ConsecutiveBreaker(1) });
    await policy.execute(sick).catch(() => undefined);
    expect(policy.state).toBe(CircuitState.Open);
    expect(await policy.execute(async () => 7)).toBe(7);
  });
});

describe('an operator who opens a circuit and lets go of it again', () => {
  test('finds the lane’s own break as it was', async () => {
    const { lane } = aLane({ ...OPEN_AT_ONCE, halfOpenAfterMs: 60_000 });
    await endOf(lane.run(sick));
    lane.setControl('forced_open');
    lane.setControl('auto');
    expect(await endOf(lane.run(async () => 7))).toBe('open');
  });

  test('has closed a bare circuit breaker that was broken before', async () => {
    const policy = circuitBreaker(handleAll, { halfOpenAfter: 60_000, breaker: new ConsecutiveBreaker(1) });
    await policy.execute(sick).catch(() => undefined);
    policy.isolate().dispose();
    expect(policy.state).toBe(CircuitState.Closed);
  });
});

describe('what only the lane can say and do', () => {
  test('opens by slow calls, is resized while it works, and tells percentiles and waits', async () => {
    const { lane, clock } = aLane({ concurrentMax: 1, slowMs: 100, slowShareMax: 0.5, callsMin: 4 });
    const calls = Array.from({ length: 2 }, () => endOf(lane.run(() => clock.sleep(200))));
    await clock.advance(200);
    lane.change({ concurrentMax: 8 });
    await clock.advance(200);
    await Promise.all(calls);
    const { p50Ms, queueWaitP99Ms, concurrentMax } = lane.reading();
    expect([p50Ms, queueWaitP99Ms].every((ms) => ms >= 180 && ms <= 240)).toBe(true);
    expect(concurrentMax).toBe(8);
    const slow = Array.from({ length: 4 }, () => endOf(lane.run(() => clock.sleep(200))));
    await clock.advance(200);
    await Promise.all(slow);
    expect(lane.reading().breaker).toBe('open');
  });

  test('is said and done by none of the bare policies', async () => {
    const slots = bulkhead(1, 0);
    const breaker = circuitBreaker(handleAll, { halfOpenAfter: 1_000, breaker: new ConsecutiveBreaker(2) });
    for (let call = 0; call < 5; call += 1)
      await breaker.execute(() => new Promise((resolve) => setTimeout(resolve, 20)));
    expect(breaker.state).toBe(CircuitState.Closed);
    expect(Object.keys(slots).filter((name) => /resize|limit|percentile|wait/i.test(name))).toEqual([]);
    const before = slots.executionSlots;
    expect(Reflect.set(slots, 'executionSlots', 9)).toBe(false);
    expect(slots.executionSlots).toBe(before);
  });
});

describe('what the lane leaves out', () => {
  test('a bare retry calls once more although its caller has gone, and lets it wait for that', async () => {
    const policy = retry(handleAll, { maxAttempts: 5, backoff: new ConstantBackoff(30) });
    const abort = new AbortController();
    let calls = 0;
    const running = policy.execute(() => {
      calls += 1;
      return sick();
    }, abort.signal);
    await settle();
    abort.abort();
    expect(await stateOf(running)).toBe('waits');
    await running.catch(() => undefined);
    expect(calls).toBe(2);
  });

  test('the lane calls once, whatever comes of it', async () => {
    const { lane } = aLane();
    let calls = 0;
    await endOf(
      lane.run(() => {
        calls += 1;
        return sick();
      }),
    );
    expect(calls).toBe(1);
  });
});

describe('code that listens and throws', () => {
  test('changes nothing that comes out of the lane', async () => {
    const { lane } = aLane();
    const broken = (): never => {
      throw new TypeError('a bug in a listener');
    };
    expect(await lane.run(async () => 'paid', { isSickAnswer: broken })).toBe('paid');
  });

  test('replaces the result of a bare policy', async () => {
    const policy = wrap(circuitBreaker(handleAll, { halfOpenAfter: 1_000, breaker: new ConsecutiveBreaker(5) }));
    policy.onSuccess(() => {
      throw new TypeError('a bug in a listener');
    });
    await expect(policy.execute(async () => 'paid')).rejects.toThrow('a bug in a listener');
  });
});

describe('a refusal', () => {
  test('is one and the same error each time, made before it was needed', async () => {
    const { lane } = aLane({ queuedMax: 0 });
    void endOf(lane.run(never));
    const reasonOf = (): Promise<unknown> => lane.run(never).catch((error: unknown) => error);
    const [first, second] = [await reasonOf(), await reasonOf()];
    expect(first).toBe(second);
    expect(first).toMatchObject({ name: 'LaneRejected', lane: 'test', rejection: 'full', reason: 'lane_full' });
    expect((first as Error).stack?.split('\n')).toHaveLength(1);
  });

  test('of a bare bulkhead is a new error with a new stack each time', async () => {
    const policy = bulkhead(1, 0);
    void policy.execute(never);
    const reasonOf = (): Promise<unknown> => policy.execute(never).catch((error: unknown) => error);
    const [first, second] = [await reasonOf(), await reasonOf()];
    expect(first).not.toBe(second);
    expect((first as Error).stack?.split('\n').length).toBeGreaterThan(2);
  });
});
