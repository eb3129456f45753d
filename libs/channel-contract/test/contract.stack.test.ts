import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock, seededRandom, systemClock, systemRandom } from '@tillmesh/clock';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALLOCATE } from '../src/allocation-script.ts';
import { agreedCalls, agreedRate, type Contract } from '../src/contract.ts';
import { argumentsOf, createContractLease, grantOf } from '../src/contract-lease.ts';
import { TIMES, World } from './world.ts';

let stack: LocalStack;
let redis: Redis;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-contract-'));

beforeAll(async () => {
  stack = await startLocalStack({ folder, groupTags: [], redis: true, clock: systemClock });
  if (stack.redis === undefined) throw new Error('there is no Redis');
  redis = new Redis({ host: stack.redis.host, port: stack.redis.port });
});

afterAll(async () => {
  redis.disconnect();
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

const SEATS = 4;
const CONTRACT = { concurrencyMax: 24, perSecond: 200, burst: 12, replicasMax: SEATS };
const CALLS: Contract = { concurrencyMax: CONTRACT.concurrencyMax, replicasMax: SEATS };
const RATE: Contract = { perSecond: CONTRACT.perSecond, burst: CONTRACT.burst, replicasMax: SEATS };
const STEPS = 200;
const seed = systemRandom.below(1_000_000);

type Play = {
  readonly worlds: number;
  readonly contract?: Contract;
  readonly script?: string;
  readonly clocks?: ConstructorParameters<typeof World>[0]['clocks'];
  readonly firstSeed?: number;
};

/** Plays worlds until one breaks the contract. @returns the seed that broke it, and the most that was seen. */
const play = async ({ worlds, contract = CONTRACT, script = ALLOCATE, clocks, firstSeed = seed }: Play) => {
  let mostCalls = 0;
  let mostBurst = 0;
  for (let n = 0; n < worlds; n += 1) {
    const key = `world-${systemRandom.hex(6)}`;
    const random = seededRandom(firstSeed + n);
    const world = new World({ redis, key, script, contract, random, ...(clocks === undefined ? {} : { clocks }) });
    for (let replica = 0; replica < SEATS - random.below(2); replica += 1) world.start();
    for (let step = 0; step < STEPS; step += 1) await world.step();
    await redis.del(key);
    mostCalls = Math.max(mostCalls, world.mostCalls);
    mostBurst = Math.max(mostBurst, world.mostBurst);
    const { concurrencyMax = Number.POSITIVE_INFINITY, burst = Number.POSITIVE_INFINITY } = contract;
    // A millionth for what sums of fractions are off.
    const brokenBy = world.mostCalls > concurrencyMax || world.mostBurst > burst + 1e-6 ? firstSeed + n : undefined;
    if (brokenBy !== undefined) return { brokenBy, mostCalls, mostBurst };
  }
  return { brokenBy: undefined, mostCalls, mostBurst };
};

describe('what a channel sees of all replicas', () => {
  test('is never more calls at once than agreed, whatever dies, stands still, is lost or fails over', async () => {
    console.log(`seed ${seed}`);
    const { brokenBy, mostCalls } = await play({ worlds: 200, contract: CALLS });
    expect(brokenBy).toBeUndefined();
    // The worlds come to where it matters.
    expect(mostCalls).toBeGreaterThanOrEqual(CONTRACT.concurrencyMax - 1);
  }, 120_000);

  test('is never more requests in any time than its rate and the burst', async () => {
    console.log(`seed ${seed}`);
    const { brokenBy, mostBurst } = await play({ worlds: 200, contract: RATE });
    expect(brokenBy).toBeUndefined();
    // Parts of a whole request are saved up in vain: that much is never seen.
    expect(mostBurst).toBeGreaterThanOrEqual(0.6 * CONTRACT.burst);
  }, 120_000);

  test('is never more of either where both are agreed', async () => {
    console.log(`seed ${seed}`);
    const { brokenBy } = await play({ worlds: 100 });
    expect(brokenBy).toBeUndefined();
  }, 120_000);

  const AT_THE_END = 'if not what.lasts and now >= entry.untilMs';
  for (const [what, contract, from, to] of [
    [
      'a share of calls is given away as soon as its lease is over',
      CALLS,
      'if now < entry.untilMs + callMs then',
      'if now < entry.untilMs then',
    ],
    ['a share of a rate is given away before its lease is over', RATE, AT_THE_END, 'if not what.lasts'],
    ['calls count no longer than their lease', CALLS, AT_THE_END, 'if now >= entry.untilMs'],
    ...([CALLS, RATE] as const).flatMap(
      (agreed) =>
        [
          [
            'a smaller grant counts before its holder goes by it',
            agreed,
            'own.counts[id] = math.max(counts, grant)',
            'own.counts[id] = grant',
          ],
          [
            'a Redis that lost its memory does not learn',
            agreed,
            'local learns = now < state.learnsUntil',
            'local learns = false',
          ],
          [
            'nothing is kept for seats of which nobody is known',
            agreed,
            'local all = what.agreed - emergency * (seats - known)',
            'local all = what.agreed',
          ],
        ] as const,
    ),
  ] as const) {
    const of = contract === CALLS ? 'calls at once' : 'requests in some time';
    test(`is more ${of} than agreed where ${what}`, async () => {
      expect(ALLOCATE).toContain(from);
      const { brokenBy } = await play({ worlds: 400, contract, script: ALLOCATE.replace(from, to), firstSeed: 1 });
      expect(brokenBy).toBeDefined();
    }, 120_000);
  }

  test('is more requests in some time where clocks go faster than is left out of the rate', async () => {
    const { brokenBy } = await play({
      worlds: 400,
      contract: RATE,
      clocks: { slowest: 1.05, fastest: 1.08 },
      firstSeed: 1,
    });
    expect(brokenBy).toBeDefined();
  }, 120_000);
});

describe('the division', () => {
  const ask = async (
    key: string,
    holder: string,
    parts: { goesBy?: number; has?: readonly number[]; demand?: readonly number[] },
  ) => {
    const { goesBy = 0, has = [0, 0], demand = [0, 0] } = parts;
    const divided = [agreedCalls(CONTRACT), agreedRate(CONTRACT)].map((agreed, index) => {
      if (agreed === undefined) throw new Error('both are agreed');
      return { ...agreed, has: has[index] ?? 0, using: 0, demand: demand[index] ?? 0 };
    });
    const request = { holder, replicasMax: SEATS, times: TIMES, goesBy, divided };
    return grantOf(await redis.eval(ALLOCATE, 1, key, ...argumentsOf(request, nowMs)));
  };
  let nowMs = 5_000_000;

  test('follows the demand of each, and gives all of both in steady state', async () => {
    const key = `steady-${systemRandom.hex(4)}`;
    const has: Record<string, Awaited<ReturnType<typeof ask>>> = {};
    for (let round = 0; round < 30; round += 1) {
      nowMs += 300;
      for (const holder of ['a', 'b', 'c', 'd']) {
        // One wants calls at once, another one requests a second.
        const demand = [holder === 'a' ? 40 : 2, holder === 'b' ? 900_000 : 1_000];
        const { shares = [0, 0], number = 0 } = has[holder] ?? {};
        has[holder] = await ask(key, holder, { goesBy: number, has: shares, demand });
      }
    }
    const sumOf = (index: number) => Object.values(has).reduce((sum, { shares }) => sum + (shares[index] ?? 0), 0);
    const floor = (agreed: ReturnType<typeof agreedCalls>) => (SEATS - 1) * (agreed?.emergency ?? 0);
    expect(sumOf(0)).toBe(CONTRACT.concurrencyMax);
    expect(sumOf(1)).toBe(1_000 * CONTRACT.perSecond);
    expect(has['a']?.shares[0]).toBe(CONTRACT.concurrencyMax - floor(agreedCalls(CONTRACT)));
    expect(has['b']?.shares[1]).toBe(1_000 * CONTRACT.perSecond - floor(agreedRate(CONTRACT)));
  });

  test('gives a process nothing where every seat is taken', async () => {
    const key = `full-${systemRandom.hex(4)}`;
    for (const holder of ['a', 'b', 'c', 'd']) await ask(key, holder, {});
    expect(await ask(key, 'e', { demand: [10, 10] })).toEqual({ shares: [0, 0], number: 0 });
  });
});

describe('a process without Redis', () => {
  const away = () => Promise.reject(new Error('away'));
  const leaseOf = (allocate: Parameters<typeof createContractLease>[0]['allocate'], clock: ManualClock) =>
    createContractLease({ resource: 'r', holder: 'h', contract: CALLS, times: TIMES, allocate, clock });
  const emergency = agreedCalls(CALLS)?.emergency;

  test('begins with nothing until calls of one that died in its place are over, then has its emergency share', async () => {
    const clock = new ManualClock();
    const lease = leaseOf(away, clock);
    expect(lease.acquire()).toBeUndefined();
    await clock.advance(TIMES.callMsMax);
    const places = Array.from({ length: 10 }, () => lease.acquire());
    expect(places.filter((place) => place !== undefined)).toHaveLength(emergency ?? 0);
    expect(lease.isEmergency).toBe(true);
  });

  test('loses its lease by its own clock, before Redis would take it away', async () => {
    const clock = new ManualClock();
    let isAway = false;
    const lease = leaseOf(() => (isAway ? away() : Promise.resolve({ shares: [20], number: 1 })), clock);
    await lease.refresh();
    expect(lease.callsShare).toBe(20);
    isAway = true;
    await clock.advance(TIMES.leaseMs * 0.9 - 1);
    await expect(lease.refresh()).rejects.toThrow('away');
    expect(lease.isEmergency).toBe(false);
    await clock.advance(1);
    lease.acquire();
    expect([lease.isEmergency, lease.callsShare]).toEqual([true, emergency]);
  });

  test("sends nothing for a place of a lease that is over, where it is somebody else's by now", async () => {
    const clock = new ManualClock();
    let isAway = false;
    const lease = leaseOf(() => (isAway ? away() : Promise.resolve({ shares: [20], number: 1 })), clock);
    await lease.refresh();
    const places = Array.from({ length: 20 }, () => lease.acquire());
    isAway = true;
    clock.jump(TIMES.leaseMs);
    const refusals = places.map((place) => {
      const refusal = place?.whyNotSend();
      if (refusal !== undefined) place?.release();
      return refusal;
    });
    expect(refusals.filter((refusal) => refusal === undefined)).toHaveLength(emergency ?? 0);
    expect(new Set(refusals)).toEqual(new Set(['contract_full', undefined]));
  });
});
