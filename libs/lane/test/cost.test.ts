import { systemClock } from '@tillmesh/clock';
import { bulkhead, ConsecutiveBreaker, circuitBreaker, handleAll, TimeoutStrategy, timeout, wrap } from 'cockatiel';
import { describe, expect, test } from 'vitest';
import { createLane } from '../src/index.ts';
import { NEVER_OPEN } from './a-lane.ts';

const CALLS = 4_000;
const ROUNDS = 6;

/** Nanoseconds of one call of each, the best of several rounds in turn: others use this machine too. */
const nanosOf = async <Name extends string>(
  calls: Readonly<Record<Name, () => Promise<unknown>>>,
): Promise<Record<Name, number>> => {
  const names = Object.keys(calls) as Name[];
  const best = Object.fromEntries(names.map((name) => [name, Number.POSITIVE_INFINITY])) as Record<Name, number>;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of names) {
      const beganMs = performance.now();
      for (let call = 0; call < CALLS; call += 1) await calls[name]();
      best[name] = Math.min(best[name], ((performance.now() - beganMs) * 1e6) / CALLS);
    }
  }
  return best;
};

const CONFIG = {
  name: 'cost',
  concurrentMax: 64,
  queuedMax: 0,
  queueWaitMsMax: 0,
  timeoutMs: 5_000,
  halfOpenAfterMs: 1_000,
};
const print = (title: string, nanos: Readonly<Record<string, number>>) => {
  const figures = Object.entries(nanos).map(([name, value]) => `${name} ${Math.round(value).toLocaleString('en')} ns`);
  console.log(`${title}: ${figures.join(', ')}`);
};

describe('what a lane costs', () => {
  test('a call costs less than through cockatiel with its defaults, and is printed', async () => {
    const lane = createLane({ ...CONFIG, ...NEVER_OPEN }, systemClock);
    const bare = wrap(
      bulkhead(64, 0),
      circuitBreaker(handleAll, { halfOpenAfter: 1_000, breaker: new ConsecutiveBreaker(10) }),
      timeout(5_000, TimeoutStrategy.Cooperative),
    );
    const { signal } = new AbortController();
    const nanos = await nanosOf({
      alone: async () => 7,
      lane: () => lane.run(async () => 7),
      'lane with a signal': () => lane.run(async () => 7, { signal, budgetMs: 1_000 }),
      cockatiel: () => bare.execute(async () => 7),
    });
    print('a call', nanos);
    expect(nanos.lane).toBeLessThan(nanos.cockatiel);
    // The design wants 4 µs on a quiet machine; this only finds a mistake of another order.
    expect(nanos.lane).toBeLessThan(40_000);
  }, 60_000);

  test('a refusal costs less than one with a new error, and is printed', async () => {
    const lane = createLane({ ...CONFIG, ...NEVER_OPEN, concurrentMax: 1 }, systemClock);
    const end = Promise.withResolvers<void>();
    const held = lane.run(() => end.promise);
    const full = bulkhead(1, 0);
    const heldToo = full.execute(() => end.promise);
    const ignore = () => undefined;
    const nanos = await nanosOf({
      lane: () => lane.run(async () => 7).catch(ignore),
      'lane without time': () => lane.run(async () => 7, { budgetMs: 0 }).catch(ignore),
      cockatiel: () => full.execute(async () => 7).catch(ignore),
    });
    print('a refusal', nanos);
    end.resolve();
    await Promise.all([held, heldToo]);
    expect(nanos.lane).toBeLessThan(nanos.cockatiel);
    expect(nanos.lane).toBeLessThan(20_000);
  }, 60_000);
});
