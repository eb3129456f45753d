import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock, systemRandom } from '@tillmesh/clock';
import { openRedis, type RedisConnection } from '@tillmesh/delay-queue';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { toRpcError } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type BillLeases, createBillLeases } from '../src/bill-lease.ts';
import { type BillQueue, openBillQueue, type Tried } from '../src/bill-queue.ts';
import type { ReportKey } from '../src/report-store.ts';

// Several processes and one Redis that dies and forgets: a bill is compared by one of them at a time.

const clock = systemClock;
const log = createLog('test', 'silent');
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-one-at-a-time-'));
const TIMES = { leaseMs: 800, renewEveryMs: 100 };
let stack: LocalStack;
const opened: { close(): unknown }[] = [];

const redisOf = (): NonNullable<LocalStack['redis']> => {
  if (stack.redis === undefined) throw new Error('there is no Redis');
  return stack.redis;
};

beforeAll(async () => {
  stack = await startLocalStack({ folder, groupTags: [], redis: true, clock });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});
afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

const connect = async (): Promise<RedisConnection> => {
  const { host, port } = redisOf();
  const redis = openRedis({ host, port, timeoutMs: 50 }, log);
  opened.push(redis);
  await expect.poll(() => redis.isReady()).toBe(true);
  return redis;
};

const leasesOf = async (own: Clock = clock): Promise<BillLeases> => {
  const leases = createBillLeases({
    redis: await connect(),
    newHolder: () => systemRandom.hex(16),
    clock: own,
    times: TIMES,
  });
  await leases.known(never);
  return leases;
};
const never = new AbortController().signal;
const reasonOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'given',
    (error: unknown) => toRpcError(error).reason,
  );

describe('the lease of a bill', () => {
  test('has one holder at a time, for longer than it lasts without being renewed, until it is given back', async () => {
    const [one, other] = [await leasesOf(), await leasesOf()];
    const lease = await one.take('a');
    expect(await reasonOf(other.take('a'))).toBe('LANE_FULL');
    await clock.sleep(TIMES.leaseMs * 1.5);
    expect(await reasonOf(other.take('a'))).toBe('LANE_FULL');
    lease.assertHeld();
    await (await other.take('b')).release();
    await lease.release();
    await (await other.take('a')).release();
    expect(lease.signal.aborted).toBe(false);
  });

  test('is lost by its holder before another one gets it where Redis forgets', async () => {
    const [one, other] = [await leasesOf(), await leasesOf()];
    const lease = await one.take('a');
    const redis = await connect();
    await redis.run('FLUSHALL', (client) => client.flushall());
    expect(await reasonOf(other.take('a'))).toBe('DEPENDENCY_UNAVAILABLE');
    await other.known(never);
    const next = await other.take('a');
    expect(lease.signal.aborted).toBe(true);
    expect(() => lease.assertHeld()).toThrow();
    await lease.release();
    // What the former holder gives back is not the other one's.
    expect(await reasonOf(one.take('a'))).toBe('LANE_FULL');
    await next.release();
  });

  test('ends by the holder’s own clock while Redis is away, and is given to nobody', async () => {
    const [one, other] = [await leasesOf(), await leasesOf()];
    const lease = await one.take('a');
    await redisOf().kill('SIGKILL');
    lease.assertHeld();
    expect(await reasonOf(other.take('a'))).toBe('DEPENDENCY_UNAVAILABLE');
    await expect.poll(() => lease.signal.aborted, { timeout: TIMES.leaseMs * 2 }).toBe(true);
    expect(await reasonOf(other.known(never))).toBe('DEPENDENCY_UNAVAILABLE');
    await redisOf().start();
  });

  test('is not acted on by a process that stood still for as long as it lasts', async () => {
    let stoodStillMs = 0;
    const still: Clock = { ...clock, monotonicMs: () => clock.monotonicMs() + stoodStillMs };
    const lease = await (await leasesOf(still)).take('a');
    lease.assertHeld();
    stoodStillMs = TIMES.leaseMs;
    expect(() => lease.assertHeld()).toThrow();
    expect(lease.signal.aborted).toBe(true);
  });
});

describe('the schedule', () => {
  const EVERY_MS = 500;
  const bill = (day: string): ReportKey => ({ channelId: 'wechat', accountId: 'wechat-a', day });
  const open = (): BillQueue => {
    const queue = openBillQueue({ redis: redisOf(), everyMs: EVERY_MS, clock, log });
    opened.push(queue);
    return queue;
  };
  const done: Tried = { kind: 'done' };

  test('looks once an interval, however many processes there are, and gives each bill to one of them', async () => {
    const compared: string[] = [];
    const looksAtMs: number[] = [];
    let underWay = 0;
    let most = 0;
    for (const queue of [open(), open(), open()]) {
      queue.work({
        look: async () => {
          looksAtMs.push(clock.monotonicMs());
          await queue.give(bill('2026-03-04'));
        },
        compare: async ({ day }) => {
          underWay += 1;
          most = Math.max(most, underWay);
          // Looks go on meanwhile, and give it again.
          await clock.sleep(EVERY_MS * 3);
          compared.push(day);
          underWay -= 1;
          return done;
        },
      });
    }
    await expect.poll(() => compared.length).toBe(2);
    expect(most).toBe(1);
    const lastedMs = (looksAtMs.at(-1) ?? 0) - (looksAtMs[0] ?? 0);
    expect(looksAtMs.length).toBeGreaterThanOrEqual(6);
    expect(looksAtMs.length).toBeLessThanOrEqual(lastedMs / EVERY_MS + 2);
  });

  test('gives a bill again that could not be compared, with how often that was', async () => {
    const tries: string[] = [];
    const queue = open();
    queue.work({
      look: () => queue.give(bill('2026-03-05')),
      compare: async ({ day }, failures) => {
        tries.push(`${day} ${failures}`);
        return failures < 2 ? { kind: 'again', atMs: clock.nowMs() + 100, failures: failures + 1 } : done;
      },
    });
    await expect.poll(() => tries.slice(0, 3)).toEqual(['2026-03-05 0', '2026-03-05 1', '2026-03-05 2']);
  });

  test('goes on when Redis has forgotten it, and when it was away', async () => {
    let looks = 0;
    const queue = open();
    const work = {
      look: async () => {
        looks += 1;
      },
      compare: async () => done,
    };
    queue.work(work);
    await expect.poll(() => looks).toBeGreaterThan(1);
    const redis = await connect();
    await redis.run('FLUSHALL', (client) => client.flushall());
    await queue.keepSchedule();
    const before = looks;
    await expect.poll(() => looks).toBeGreaterThan(before + 2);

    await redisOf().kill('SIGKILL');
    await clock.sleep(EVERY_MS);
    await redisOf().start();
    const away = looks;
    await expect.poll(() => looks).toBeGreaterThan(away + 2);
  });

  test('goes on where a next look is lost alone', async () => {
    let looks = 0;
    const queue = open();
    queue.work({
      look: async () => {
        looks += 1;
      },
      compare: async () => done,
    });
    await expect.poll(() => looks).toBeGreaterThan(1);
    const redis = await connect();
    const lost = await redis.run('DEL', (client) => client.del('tillmesh:bull:bill-looks:delayed'));
    expect(lost).toBe(1);
    const before = looks;
    await clock.sleep(EVERY_MS * 4);
    await queue.keepSchedule();
    await expect.poll(() => looks).toBeGreaterThan(before + 2);
  });
});
