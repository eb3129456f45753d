import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock, seededRandom, systemClock, systemRandom } from '@tillmesh/clock';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALLOCATE } from '../src/allocation-script.ts';
import { argumentsOf, createContractLease, emergencyShareOf, grantOf } from '../src/contract-lease.ts';
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

const CONTRACT = { concurrencyMax: 24, replicasMax: 4 };
const STEPS = 400;
const seed = systemRandom.below(1_000_000);

/** Plays worlds until one breaks the contract. @returns the seed that broke it, and the most calls that were seen. */
const play = async (worlds: number, script: string = ALLOCATE, firstSeed = seed) => {
  let most = 0;
  for (let n = 0; n < worlds; n += 1) {
    const key = `world-${systemRandom.hex(6)}`;
    const random = seededRandom(firstSeed + n);
    const world = new World({ redis, key, script, contract: CONTRACT, random });
    for (let replica = 0; replica < 3; replica += 1) world.start();
    for (let step = 0; step < STEPS; step += 1) await world.step();
    await redis.del(key);
    most = Math.max(most, world.most);
    if (world.most > CONTRACT.concurrencyMax) return { brokenBy: firstSeed + n, most };
  }
  return { brokenBy: undefined, most };
};

describe('what replicas have under way together', () => {
  test('is never more than agreed, whatever dies, stands still, is lost or fails over', async () => {
    console.log(`seed ${seed}`);
    const { brokenBy, most } = await play(300);
    expect(brokenBy).toBeUndefined();
    // The worlds come to where it matters.
    expect(most).toBe(CONTRACT.concurrencyMax);
  }, 120_000);

  for (const [what, from, to] of [
    [
      'a share is given away as soon as its lease is over',
      'if now < entry.untilMs + callMs then',
      'if now < entry.untilMs then',
    ],
    [
      'a smaller grant counts before its holder goes by it',
      'own.counts = math.max(counts, grant)',
      'own.counts = grant',
    ],
    ['a Redis that lost its memory does not learn', 'local learns = now < state.learnsUntil', 'local learns = false'],
    [
      'nothing is kept for seats of which nobody is known',
      'local all = agreed - emergency * (seats - known)',
      'local all = agreed',
    ],
  ] as const) {
    test(`is more than agreed where ${what}`, async () => {
      expect(ALLOCATE).toContain(from);
      const { brokenBy } = await play(400, ALLOCATE.replace(from, to), 1);
      expect(brokenBy).toBeDefined();
    }, 120_000);
  }
});

describe('the division', () => {
  const ask = async (
    key: string,
    holder: string,
    parts: { goesBy?: number; has?: number; demand?: number; underWay?: number },
  ) =>
    grantOf(
      await redis.eval(
        ALLOCATE,
        1,
        key,
        ...argumentsOf(
          { holder, contract: CONTRACT, times: TIMES, goesBy: 0, has: 0, underWay: 0, demand: 0, ...parts },
          nowMs,
        ),
      ),
    );
  let nowMs = 5_000_000;

  test('follows the demand, and gives all of it in steady state', async () => {
    const key = `steady-${systemRandom.hex(4)}`;
    const has: Record<string, { share: number; number: number }> = {};
    for (let round = 0; round < 30; round += 1) {
      nowMs += 300;
      for (const holder of ['a', 'b', 'c', 'd']) {
        const demand = holder === 'a' ? 40 : 2;
        const { share = 0, number = 0 } = has[holder] ?? {};
        has[holder] = await ask(key, holder, { goesBy: number, has: share, demand });
      }
    }
    const shares = Object.values(has).map(({ share }) => share);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeGreaterThanOrEqual(0.9 * CONTRACT.concurrencyMax);
    expect(has['a']?.share).toBeGreaterThanOrEqual(12);
  });

  test('gives a process nothing where every seat is taken', async () => {
    const key = `full-${systemRandom.hex(4)}`;
    for (const holder of ['a', 'b', 'c', 'd']) await ask(key, holder, {});
    expect(await ask(key, 'e', { demand: 10 })).toEqual({ share: 0, number: 0 });
  });
});

describe('a process without Redis', () => {
  const away = () => Promise.reject(new Error('away'));

  test('begins with nothing until calls of one that died in its place are over, then has its emergency share', async () => {
    const clock = new ManualClock();
    const lease = createContractLease({
      resource: 'r',
      holder: 'h',
      contract: CONTRACT,
      times: TIMES,
      allocate: away,
      clock,
    });
    expect(lease.acquire()).toBeUndefined();
    await clock.advance(TIMES.callMsMax);
    const slots = Array.from({ length: 10 }, () => lease.acquire());
    expect(slots.filter((slot) => slot !== undefined)).toHaveLength(emergencyShareOf(CONTRACT));
    expect(lease.isEmergency).toBe(true);
  });

  test('loses its lease by its own clock, before Redis would take it away', async () => {
    const clock = new ManualClock();
    let isAway = false;
    const allocate = () => (isAway ? away() : Promise.resolve({ share: 20, number: 1 }));
    const lease = createContractLease({
      resource: 'r',
      holder: 'h',
      contract: CONTRACT,
      times: TIMES,
      allocate,
      clock,
    });
    await lease.refresh();
    expect(lease.slots.share).toBe(20);
    isAway = true;
    await clock.advance(TIMES.leaseMs * 0.9 - 1);
    await expect(lease.refresh()).rejects.toThrow('away');
    expect(lease.isEmergency).toBe(false);
    await clock.advance(1);
    lease.acquire();
    expect([lease.isEmergency, lease.slots.share]).toEqual([true, emergencyShareOf(CONTRACT)]);
  });

  test('together they have half of what is agreed', () => {
    expect(emergencyShareOf(CONTRACT) * CONTRACT.replicasMax).toBeGreaterThanOrEqual(0.5 * CONTRACT.concurrencyMax);
  });
});
