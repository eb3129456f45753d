import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { openRedis, type RedisConnection } from '@tillmesh/delay-queue';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Bucket, createRateLimiter, type RateLimiter, REDIS_REST_MS } from '../src/index.ts';

const clock = systemClock;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-rates-'));
let stack: LocalStack;
let redis: NonNullable<LocalStack['redis']>;

beforeAll(async () => {
  stack = await startLocalStack({ folder, groupTags: [], redis: true, clock });
  if (stack.redis === undefined) throw new Error('there is no Redis');
  redis = stack.redis;
});
afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

const BUDGET_MS = 50;

const aConnection = async (): Promise<RedisConnection> => {
  const { host, port } = redis;
  const connection = openRedis({ host, port, timeoutMs: BUDGET_MS }, createLog('test', 'silent'));
  onTestFinished(() => connection.close());
  await expect.poll(() => connection.isReady()).toBe(true);
  return connection;
};

/** One process of two. */
const aLimiter = async (): Promise<RateLimiter> =>
  createRateLimiter({ redis: await aConnection(), processes: () => 2, clock });

const aBucket = (perSecond: number, burst: number): Bucket => ({
  kind: 'merchant',
  key: systemRandom.hex(8),
  limit: { perSecond, burst },
});

/** How many of so many calls at once are let through, the processes asked in turn. */
const allowed = async (limiters: readonly RateLimiter[], bucket: Bucket, calls: number): Promise<number> => {
  const verdicts = await Promise.all(
    limiters.flatMap((limiter) => Array.from({ length: calls / limiters.length }, () => limiter.take([bucket]))),
  );
  return verdicts.filter((verdict) => verdict.allowed).length;
};

test('two processes share one bucket: never more than its rate and its burst', async () => {
  const limiters = [await aLimiter(), await aLimiter()];
  const bucket = aBucket(50, 20);
  const beganMs = clock.monotonicMs();
  let passed = 0;
  while (clock.monotonicMs() - beganMs < 1_500) {
    passed += await allowed(limiters, bucket, 10);
    await clock.sleep(10);
  }
  const seconds = (clock.monotonicMs() - beganMs) / 1_000;
  expect(passed).toBeLessThanOrEqual(20 + Math.ceil(50 * seconds));
  expect(passed).toBeGreaterThan(50);
});

test('a refused call is told when there is a token, and takes none from its other buckets', async () => {
  const limiter = await aLimiter();
  const [wide, narrow] = [aBucket(1, 3), aBucket(1, 1)];
  expect(await limiter.take([wide, narrow])).toEqual({ allowed: true });
  const refused = await limiter.take([wide, narrow]);
  expect(refused).toMatchObject({ allowed: false, bucket: narrow });
  if (refused.allowed) throw new Error('it was let through');
  expect(refused.retryAfterMs).toBeGreaterThan(800);
  expect(refused.retryAfterMs).toBeLessThanOrEqual(1_000);
  expect(await allowed([limiter], wide, 5)).toBe(2);
});

test('a Redis that stands still costs one call its 50 ms, and the process decides for its share until it answers again', async () => {
  const limiter = await aLimiter();
  const bucket = aBucket(1, 8);
  await redis.kill('SIGSTOP');
  onTestFinished(() => redis.kill('SIGCONT'));
  const took: number[] = [];
  let passed = 0;
  for (let call = 0; call < 20; call += 1) {
    const beganMs = clock.monotonicMs();
    if ((await limiter.take([bucket])).allowed) passed += 1;
    took.push(clock.monotonicMs() - beganMs);
  }
  // Half of the burst: one process of two.
  expect(passed).toBe(4);
  // The machine may be busy; what must not be is that every call waits.
  expect(took.filter((ms) => ms > BUDGET_MS / 2).length).toBeLessThanOrEqual(10);
  expect(Math.max(...took)).toBeLessThan(BUDGET_MS + 1_000);
  await redis.kill('SIGCONT');
  await clock.sleep(REDIS_REST_MS + 100);
  // The shared bucket is full: nobody has taken from it.
  await expect.poll(async () => allowed([limiter], bucket, 10), { timeout: 5_000 }).toBeGreaterThan(4);
});

test('without a Redis that answers nobody waits', async () => {
  const nowhere = openRedis({ host: '127.0.0.1', port: 1, timeoutMs: BUDGET_MS }, createLog('test', 'silent'));
  onTestFinished(() => nowhere.close());
  const limiter = createRateLimiter({ redis: nowhere, processes: () => 1, clock });
  const beganMs = clock.monotonicMs();
  expect(await allowed([limiter], aBucket(1, 3), 10)).toBe(3);
  expect(clock.monotonicMs() - beganMs).toBeLessThan(500);
});
