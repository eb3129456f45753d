import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock, systemClock, systemRandom } from '@tillmesh/clock';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  createDelayQueue,
  type DelayQueue,
  openRedis,
  type RedisConnection,
  SHARD_COUNT,
  shardOf,
} from '../src/index.ts';

let folder: string;
let stack: LocalStack;
const opened: RedisConnection[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tillmesh-queue-'));
  stack = await startLocalStack({ folder, groupTags: [], redis: true, clock: systemClock });
});

afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

afterEach(() => {
  for (const redis of opened.splice(0)) redis.close();
});

const localRedis = () => {
  if (stack.redis === undefined) throw new Error('the stack has no Redis');
  return stack.redis;
};

/** The limit of services is 50 ms; what is not about it is given time on a busy machine. */
const connect = async (timeoutMs = 5_000): Promise<RedisConnection> => {
  const { host, port } = localRedis();
  const redis = openRedis({ host, port, timeoutMs }, createLog('test', 'silent'));
  opened.push(redis);
  await expect.poll(() => redis.isReady(), { timeout: 10_000 }).toBe(true);
  return redis;
};

/** A queue that no other test has used, and its clock, which only the test moves. */
const freshQueue = async (timeoutMs?: number) => {
  const clock = new ManualClock(systemClock.nowMs());
  const name = `test-${systemRandom.hex(4)}`;
  const redis = await connect(timeoutMs);
  const another = async (): Promise<DelayQueue> => createDelayQueue(await connect(), name, clock);
  return { clock, name, redis, queue: createDelayQueue(redis, name, clock), another };
};

const members = (count: number, prefix = 'member'): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
const sorted = (values: readonly string[]): string[] => values.toSorted((a, b) => (a < b ? -1 : 1));
/** Nothing is left to claim at once in any shard. */
const ALL = 1_000;

describe('a delay queue', () => {
  test('hands out what is due, not before its time', async () => {
    const { clock, queue } = await freshQueue();
    await queue.add('early', 1_000);
    await queue.add('late', 2_000);
    expect(await queue.claim(ALL, 60_000)).toEqual([]);
    await clock.advance(999);
    expect(await queue.claim(ALL, 60_000)).toEqual([]);
    await clock.advance(1);
    expect(await queue.claim(ALL, 60_000)).toEqual(['early']);
    await clock.advance(1_000);
    expect(await queue.claim(ALL, 60_000)).toEqual(['late']);
  });

  test('hands out what was claimed and not removed again, once its visibility time is over', async () => {
    const { clock, queue } = await freshQueue();
    await queue.add('member', 0);
    expect(await queue.claim(ALL, 5_000)).toEqual(['member']);
    await clock.advance(4_999);
    expect(await queue.claim(ALL, 5_000)).toEqual([]);
    await clock.advance(1);
    expect(await queue.claim(ALL, 5_000)).toEqual(['member']);
  });

  test('never hands out again what was removed', async () => {
    const { clock, queue } = await freshQueue();
    for (const member of members(5)) await queue.add(member, 0);
    await queue.claim(ALL, 1_000);
    await queue.remove(members(5).slice(0, 4));
    await clock.advance(10_000);
    expect(await queue.claim(ALL, 1_000)).toEqual(['member-4']);
    expect(await queue.size()).toBe(1);
  });

  test('knows a member once: adding it again moves it', async () => {
    const { clock, queue } = await freshQueue();
    await queue.add('member', 0);
    await queue.add('member', 10_000);
    expect(await queue.size()).toBe(1);
    expect(await queue.claim(ALL, 1_000)).toEqual([]);
    await clock.advance(10_000);
    expect(await queue.claim(ALL, 1_000)).toEqual(['member']);
  });

  test('hands each member to one of several claimers, however many ask at once', async () => {
    const { queue, another } = await freshQueue();
    const all = members(600);
    await Promise.all(all.map((member) => queue.add(member, 0)));
    expect(await queue.size()).toBe(600);
    const claimers = [queue, await another(), await another(), await another()];
    const claimed: string[] = [];
    for (let round = 0; round < 8; round += 1) {
      const answers = await Promise.all(claimers.map((claimer) => claimer.claim(2, 60_000)));
      claimed.push(...answers.flat());
    }
    expect(sorted(claimed)).toEqual(sorted(all));
    // Claimed is not removed: they are all still there, for the case that their claimers die.
    expect(await queue.size()).toBe(600);
  });

  test('gives at most the limit of each shard, the longest due first', async () => {
    const { queue } = await freshQueue();
    const sameShard = members(5_000)
      .filter((member) => shardOf(member) === 7)
      .slice(0, 6);
    expect(sameShard).toHaveLength(6);
    for (const [place, member] of sameShard.entries()) await queue.add(member, -10 * place);
    await queue.add(members(5_000).find((member) => shardOf(member) === 8) ?? '', 0);
    const claimed = await queue.claim(2, 60_000);
    expect(claimed.filter((member) => shardOf(member) === 7)).toEqual([sameShard[5], sameShard[4]]);
    expect(claimed.filter((member) => shardOf(member) === 8)).toHaveLength(1);
  });

  test('keeps its members in 64 shards, each with its number in braces', async () => {
    const { queue, name, redis } = await freshQueue();
    await Promise.all(members(2_000).map((member) => queue.add(member, 0)));
    const keys = await redis.run('KEYS', (client) => client.keys(`tillmesh:${name}:*`));
    const expected = Array.from(
      { length: SHARD_COUNT },
      (_, n) => `tillmesh:${name}:{${String(n).padStart(2, '0')}}:due`,
    );
    expect(sorted(keys)).toEqual(sorted(expected));
  });

  test('says of what is not a sorted set that it failed, rather than that nothing is due', async () => {
    const { queue, name, redis } = await freshQueue();
    for (let shard = 0; shard < SHARD_COUNT; shard += 1) {
      await redis.run('SET', (client) => client.set(`tillmesh:${name}:{${String(shard).padStart(2, '0')}}:due`, 'x'));
    }
    await expect(queue.claim(ALL, 1_000)).rejects.toThrow(/WRONGTYPE/);
    await expect(queue.size()).rejects.toThrow(/WRONGTYPE/);
    await expect(queue.remove(['member'])).rejects.toThrow(/WRONGTYPE/);
  });

  test('keeps what was claimed of the other shards when one shard fails', async () => {
    const { queue, name, redis } = await freshQueue();
    await queue.add('member', 0);
    const broken = (shardOf('member') + 1) % SHARD_COUNT;
    await redis.run('SET', (client) => client.set(`tillmesh:${name}:{${String(broken).padStart(2, '0')}}:due`, 'x'));
    expect(await queue.claim(ALL, 1_000)).toEqual(['member']);
  });
});

// 50 ms are the limit (C5); a turn of a busy event loop on two cores comes on top.
const FAILS_WITHIN_MS = 50 + 100;

const EVERY_CALL: readonly (readonly [name: string, call: (queue: DelayQueue) => Promise<unknown>])[] = [
  ['add', (queue) => queue.add('member', 0)],
  ['claim', (queue) => queue.claim(10, 1_000)],
  ['remove', (queue) => queue.remove(['member'])],
  ['size', (queue) => queue.size()],
];

/** Calls everything once; says how each ended and how long it took. */
const callAll = async (queue: DelayQueue) => {
  const ends: { readonly name: string; readonly failed: boolean; readonly inTime: boolean }[] = [];
  for (const [name, call] of EVERY_CALL) {
    const beganMs = systemClock.monotonicMs();
    const failed = await call(queue).then(
      () => false,
      () => true,
    );
    ends.push({ name, failed, inTime: systemClock.monotonicMs() - beganMs < FAILS_WITHIN_MS });
  }
  return ends;
};
const ALL_FAIL_IN_TIME = EVERY_CALL.map(([name]) => ({ name, failed: true, inTime: true }));

describe('while Redis is', () => {
  test('dead, every call fails within 50 ms, nothing waits for it to come back, and then all goes on', async () => {
    const { name, queue, redis } = await freshQueue(50);
    await localRedis().kill('SIGKILL');
    try {
      for (let round = 0; round < 3; round += 1) {
        expect(await callAll(queue)).toEqual(ALL_FAIL_IN_TIME);
      }
      await expect.poll(() => redis.isReady(), { timeout: 10_000 }).toBe(false);
      expect(await callAll(queue)).toEqual(ALL_FAIL_IN_TIME);
    } finally {
      await localRedis().start();
    }
    await expect.poll(() => redis.isReady(), { timeout: 10_000 }).toBe(true);
    // What failed was not carried out behind anybody's back. What was there may be lost with a killed Redis: a second of it is
    // not on its disk.
    await expect.poll(() => queue.claim(ALL, 1).catch(() => ['failed']), { timeout: 10_000 }).not.toContain('failed');
    await queue.add('new', -1).catch(() => queue.add('new', -1));
    await expect.poll(() => queue.claim(ALL, 1).catch(() => []), { timeout: 10_000 }).toContain('new');
    const shard = String(shardOf('member')).padStart(2, '0');
    const patient = await connect();
    const left = patient.run('ZSCORE', (client) => client.zscore(`tillmesh:${name}:{${shard}}:due`, 'member'));
    expect(await left).toBeNull();
  });

  test('frozen, every call fails within 50 ms as well, and then all goes on', async () => {
    const { queue, redis } = await freshQueue(50);
    await queue.add('kept', 0);
    await localRedis().kill('SIGSTOP');
    try {
      expect(await callAll(queue)).toEqual(ALL_FAIL_IN_TIME);
    } finally {
      await localRedis().kill('SIGCONT');
    }
    await expect.poll(() => queue.size().catch(() => -1), { timeout: 10_000 }).toBeGreaterThanOrEqual(0);
    expect(redis.isReady()).toBe(true);
  });

  test('not there at the start, opening it costs nothing, and it is used as soon as it comes', async () => {
    await localRedis().kill('SIGKILL');
    const { host, port } = localRedis();
    const redis = openRedis({ host, port, timeoutMs: 50 }, createLog('test', 'silent'));
    opened.push(redis);
    const queue = createDelayQueue(redis, `test-${systemRandom.hex(4)}`, systemClock);
    try {
      expect(await callAll(queue)).toEqual(ALL_FAIL_IN_TIME);
    } finally {
      await localRedis().start();
    }
    await expect.poll(() => redis.isReady(), { timeout: 10_000 }).toBe(true);
    await queue.add('member', -1).catch(() => queue.add('member', -1));
    await expect.poll(() => queue.claim(1, 1).catch(() => []), { timeout: 10_000 }).toEqual(['member']);
  });
});
