import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { findServers, freePorts, type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  createRedisQueue,
  type DelayQueue,
  DelayQueueError,
  openRedis,
  type RedisConnection,
  SHARD_COUNT,
  shardOf,
  sizeOf,
} from '../src/index.ts';
import { claimAll, entry, type OpenQueue, promises, survivesWorkers } from './queue-contract.ts';

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
const connect = async (timeoutMs = 5_000, { host, port } = localRedis()): Promise<RedisConnection> => {
  const redis = openRedis({ host, port, timeoutMs }, createLog('test', 'silent'));
  opened.push(redis);
  await expect.poll(() => redis.isReady(), { timeout: 10_000 }).toBe(true);
  return redis;
};
const freshName = (): string => `test-${systemRandom.hex(4)}`;

let shared: RedisConnection | undefined;
const open: OpenQueue = async (limits) => {
  if (shared?.isReady() !== true) {
    const { host, port } = localRedis();
    const redis = openRedis({ host, port, timeoutMs: 5_000 }, createLog('test', 'silent'));
    await expect.poll(() => redis.isReady(), { timeout: 10_000 }).toBe(true);
    shared = redis;
  }
  return {
    queue: createRedisQueue(shared, freshName(), limits),
    pass: (ms) => systemClock.sleep(ms + 1),
    nowMs: () => systemClock.monotonicMs(),
  };
};
afterAll(() => shared?.close());

describe('in Redis,', () => {
  promises(open, 300);
  survivesWorkers(open, { runs: 8, steps: 60, visibilityMs: 60 });
});

/** A queue that no other test has used. */
const freshQueue = async (timeoutMs?: number) => {
  const name = freshName();
  const redis = await connect(timeoutMs);
  return { name, redis, queue: createRedisQueue(redis, name) };
};
const ids = (count: number): string[] => Array.from({ length: count }, (_, n) => `entry-${n}`);
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    (error: unknown) => (error instanceof DelayQueueError ? error.code : String(error)),
  );

describe('a queue in Redis', () => {
  test('keeps its entries in 64 shards, each with its number in braces, and leaves nothing behind', async () => {
    const { queue, name, redis } = await freshQueue();
    for (let from = 0; from < 2_000; from += 500) {
      await queue.add(
        ids(2_000)
          .slice(from, from + 500)
          .map((id) => entry(id)),
      );
    }
    const keysNow = () => redis.run('KEYS', (client) => client.keys(`tillmesh:${name}:*`));
    const tags = new Set((await keysNow()).map((key) => /^[^{]*\{(\d\d)\}/.exec(key)?.[1]));
    expect(tags).toEqual(new Set(Array.from({ length: SHARD_COUNT }, (_, n) => String(n).padStart(2, '0'))));
    const claims = await claimAll(queue);
    expect(claims).toHaveLength(2_000);
    for (let from = 0; from < 2_000; from += 500) await queue.ack(claims.slice(from, from + 500));
    expect(await keysNow()).toEqual([]);
  });

  test('goes by the time of Redis: a worker whose clock is wrong neither hurries nor holds up anything', async () => {
    // Nothing of the queue takes a clock; this is what its keys say.
    const { queue, name, redis } = await freshQueue();
    await queue.add([entry('it', 10_000)]);
    const shard = String(shardOf('it')).padStart(2, '0');
    const [seconds] = await redis.run('TIME', (client) => client.time());
    const score = await redis.run('ZSCORE', (client) => client.zscore(`tillmesh:${name}:{${shard}}:due`, 'it'));
    const inSeconds = Number(score) / 1e6 - Number(seconds);
    expect(inSeconds).toBeGreaterThan(9);
    expect(inSeconds).toBeLessThan(12);
    expect(Number(score) % 2).toBe(0);
  });

  test('refuses a claimer whose epoch is below one that has claimed from the shard', async () => {
    const { queue } = await freshQueue();
    const shard = shardOf('it');
    await queue.add([entry('it')]);
    const claim = (epoch: number | undefined, limit = 1) => queue.claim({ shard, limit, visibilityMs: 1_000, epoch });
    expect((await claim(7)).claims).toHaveLength(1);
    await queue.add([entry('it', 0, { ifWaiting: 'replace' })]);
    expect(await codeOf(claim(6))).toBe('not_owner');
    expect(await codeOf(claim(7))).toBe('none');
    expect(await codeOf(claim(8))).toBe('none');
    expect(await codeOf(claim(7))).toBe('not_owner');
    // Another shard is another matter, and who has no epoch is not asked.
    expect(await codeOf(queue.claim({ shard: (shard + 1) % 64, limit: 1, visibilityMs: 1_000, epoch: 1 }))).toBe(
      'none',
    );
    expect(await codeOf(claim(undefined))).toBe('none');
  });

  test('goes on where its scripts are unknown: a Redis that was started again has none', async () => {
    const { queue, redis } = await freshQueue();
    await queue.add([entry('one')]);
    await redis.run('SCRIPT FLUSH', (client) => client.script('FLUSH'));
    expect(await claimAll(queue)).toHaveLength(1);
  });

  test('says of what is not a sorted set that it failed, rather than that nothing is due', async () => {
    const { queue, name, redis } = await freshQueue();
    const shard = shardOf('it');
    const key = `tillmesh:${name}:{${String(shard).padStart(2, '0')}}:due`;
    await redis.run('SET', (client) => client.set(key, 'x'));
    await expect(queue.claim({ shard, limit: 1, visibilityMs: 1 })).rejects.toThrow(/WRONGTYPE/);
    await expect(sizeOf(queue)).rejects.toThrow(/WRONGTYPE/);
    await expect(queue.remove(['it'])).rejects.toThrow(/WRONGTYPE/);
    // Only of that shard: others are added, and the error says which are not.
    const other = ids(100).find((id) => shardOf(id) !== shard) ?? '';
    const refused = await queue.add([entry('it'), entry(other)]).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'unavailable', ids: ['it'] });
    expect((await queue.look(shardOf(other))).count).toBe(1);
  });

  test('emptied in the middle, it is an empty queue and not a broken one', async () => {
    const { queue, redis } = await freshQueue();
    await queue.add([entry('lost'), entry('claimed')]);
    const claims = await claimAll(queue);
    await redis.run('FLUSHALL', (client) => client.flushall());
    expect(await queue.ack(claims)).toEqual(['fenced', 'fenced']);
    expect(await queue.extend(claims, 1_000)).toEqual([undefined, undefined]);
    expect(await claimAll(queue)).toEqual([]);
    await queue.add([entry('new')]);
    expect((await claimAll(queue)).map(({ id }) => id)).toEqual(['new']);
  });

  test.each(['', 'A', 'a b', 'a:b', `a${'b'.repeat(32)}`])('cannot be named %j', async (name) => {
    expect(() =>
      createRedisQueue(openRedis({ host: '127.0.0.1', port: 1, timeoutMs: 50 }, createLog('t', 'silent')), name),
    ).toThrow(RangeError);
  });
});

const redisServer = async (): Promise<string> => {
  const found = await findServers();
  if (found.kind !== 'found' || found.redis === undefined) throw new Error('there is no Redis');
  return found.redis.path;
};

test('in a Cluster every script stays within its shard’s slot', async () => {
  const [port = 0] = await freePorts(1);
  const home = mkdtempSync(join(tmpdir(), 'tillmesh-cluster-'));
  const words = ['--port', `${port}`, '--cluster-enabled', 'yes', '--dir', home, '--save', '', '--bind', '127.0.0.1'];
  const server = spawn(await redisServer(), words, { stdio: 'ignore' });
  try {
    const redis = await connect(5_000, { ...localRedis(), port });
    await redis.run('CLUSTER', (client) => client.cluster('ADDSLOTSRANGE', 0, 16_383));
    await expect
      .poll(() => redis.run('CLUSTER', (client) => client.cluster('INFO')), { timeout: 10_000 })
      .toContain('cluster_state:ok');
    const queue = createRedisQueue(redis, freshName());
    await queue.add(ids(200).map((id) => entry(id)));
    const claims = await claimAll(queue);
    expect(claims).toHaveLength(200);
    expect(new Set(await queue.again(claims.slice(0, 50).map((claim) => ({ ...claim, afterMs: 0 }))))).toEqual(
      new Set(['held']),
    );
    expect(await queue.extend(claims.slice(50, 100), 1_000)).not.toContain(undefined);
    expect(new Set(await queue.ack(claims.slice(100)))).toEqual(new Set(['held']));
    expect(await queue.remove(ids(200))).toBe(100);
    // The server does refuse what leaves a slot.
    await expect(
      redis.run('EVAL', (client) => client.eval("return redis.call('MGET', KEYS[1], KEYS[2])", 2, 'a', 'b')),
    ).rejects.toThrow(/CROSSSLOT/);
  } finally {
    server.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true });
  }
});

// 50 ms are the limit (C5); a turn of a busy event loop on two cores comes on top.
const FAILS_WITHIN_MS = 50 + 100;
const aClaim = { id: 'it', payload: '', shard: shardOf('it'), token: 1, lateMs: 0 };
const EVERY_CALL: readonly (readonly [name: string, call: (queue: DelayQueue) => Promise<unknown>])[] = [
  ['add', (queue) => queue.add([entry('it')])],
  ['claim', (queue) => queue.claim({ shard: 0, limit: 10, visibilityMs: 1_000 })],
  ['ack', (queue) => queue.ack([aClaim])],
  ['again', (queue) => queue.again([{ ...aClaim, afterMs: 0 }])],
  ['extend', (queue) => queue.extend([aClaim], 1_000)],
  ['remove', (queue) => queue.remove(['it'])],
  ['look', (queue) => queue.look(0)],
];

/** Calls everything once; says how each ended and how long it took. */
const callAll = async (queue: DelayQueue) => {
  const ends: { readonly name: string; readonly code: string; readonly inTime: boolean }[] = [];
  for (const [name, call] of EVERY_CALL) {
    const beganMs = systemClock.monotonicMs();
    const code = await codeOf(call(queue));
    ends.push({ name, code, inTime: systemClock.monotonicMs() - beganMs < FAILS_WITHIN_MS });
  }
  return ends;
};
const ALL_FAIL_IN_TIME = EVERY_CALL.map(([name]) => ({ name, code: 'unavailable', inTime: true }));

describe('while Redis is', () => {
  test('dead, every call fails within 50 ms, nothing waits for it to come back, and then all goes on', async () => {
    const { name, queue, redis } = await freshQueue(50);
    await localRedis().kill('SIGKILL');
    try {
      for (let round = 0; round < 3; round += 1) expect(await callAll(queue)).toEqual(ALL_FAIL_IN_TIME);
      await expect.poll(() => redis.isReady(), { timeout: 10_000 }).toBe(false);
      expect(await callAll(queue)).toEqual(ALL_FAIL_IN_TIME);
    } finally {
      await localRedis().start();
    }
    await expect.poll(() => redis.isReady(), { timeout: 10_000 }).toBe(true);
    await expect.poll(() => queue.add([entry('new')]).catch(() => []), { timeout: 10_000 }).not.toEqual([]);
    await expect.poll(() => claimAll(queue).catch(() => []), { timeout: 10_000 }).toHaveLength(1);
    // What failed was not carried out behind anybody's back.
    const shard = String(shardOf('it')).padStart(2, '0');
    const patient = await connect();
    const left = patient.run('ZSCORE', (client) => client.zscore(`tillmesh:${name}:{${shard}}:due`, 'it'));
    expect(await left).toBeNull();
  });

  test('frozen, every call fails within 50 ms as well, and then all goes on', async () => {
    const { queue, redis } = await freshQueue(50);
    await queue.add([entry('kept')]);
    await localRedis().kill('SIGSTOP');
    try {
      expect(await callAll(queue)).toEqual(ALL_FAIL_IN_TIME);
    } finally {
      await localRedis().kill('SIGCONT');
    }
    await expect.poll(() => sizeOf(queue).catch(() => -1), { timeout: 10_000 }).toBeGreaterThanOrEqual(0);
    expect(redis.isReady()).toBe(true);
  });

  test('not there at the start, opening it costs nothing, and it is used as soon as it comes', async () => {
    await localRedis().kill('SIGKILL');
    const { host, port } = localRedis();
    const redis = openRedis({ host, port, timeoutMs: 50 }, createLog('test', 'silent'));
    opened.push(redis);
    const queue = createRedisQueue(redis, freshName());
    try {
      expect(await callAll(queue)).toEqual(ALL_FAIL_IN_TIME);
    } finally {
      await localRedis().start();
    }
    await expect.poll(() => redis.isReady(), { timeout: 10_000 }).toBe(true);
    await expect.poll(() => queue.add([entry('it')]).catch(() => []), { timeout: 10_000 }).not.toEqual([]);
    await expect.poll(() => claimAll(queue).catch(() => []), { timeout: 10_000 }).toHaveLength(1);
  });
});
