import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  createRedisQueue,
  createShardOwner,
  LEASE_MS,
  openRedis,
  RENEW_EVERY_MS,
  type RedisConnection,
  SHARD_COUNT,
  type ShardOwner,
} from '../src/index.ts';
import { entry } from './queue-contract.ts';

let folder: string;
let stack: LocalStack;
let redis: RedisConnection;
const log = createLog('test', 'silent');
const clock = systemClock;
const processes: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tillmesh-shards-'));
  stack = await startLocalStack({ folder, groupTags: [], redis: true, clock });
  if (stack.redis === undefined) throw new Error('the stack has no Redis');
  redis = openRedis({ host: stack.redis.host, port: stack.redis.port, timeoutMs: 5_000 }, log);
  for (let tries = 0; tries < 100 && !redis.isReady(); tries += 1) await clock.sleep(100);
});

afterEach(() => {
  for (const worker of processes.splice(0)) worker.kill('SIGKILL');
});

afterAll(async () => {
  redis.close();
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

const freshName = () => `test-${systemRandom.hex(4)}`;
const anOwner = (name: string, worker: string): ShardOwner => createShardOwner({ redis, name, worker, clock, log });
const allOf = (owners: readonly ShardOwner[]): number[] =>
  owners.flatMap((owner) => owner.owned().shards).toSorted((a, b) => a - b);
const EVERY_SHARD = Array.from({ length: SHARD_COUNT }, (_, shard) => shard);

describe('the workers of a queue', () => {
  test('share out its shards anew when one comes, when one says that it goes, and when Redis was emptied', async () => {
    const name = freshName();
    const [a, b] = [anOwner(name, 'a'), anOwner(name, 'b')];
    expect(a.owned()).toEqual({ shards: [], epoch: undefined });
    await a.renew();
    expect(allOf([a])).toEqual(EVERY_SHARD);
    const alone = a.owned().epoch ?? 0;
    const stop = new AbortController();
    const kept = b.keep(stop.signal);
    await expect.poll(() => b.owned().shards.length).toBeGreaterThan(0);
    expect(b.owned().epoch).toBeGreaterThan(alone);
    await a.renew();
    expect(allOf([a, b])).toEqual(EVERY_SHARD);
    expect([a.workers, a.owned().epoch]).toEqual([2, b.owned().epoch]);
    stop.abort();
    await kept;
    expect(b.owned().shards).toEqual([]);
    const together = a.owned().epoch ?? 0;
    await a.renew();
    expect(allOf([a])).toEqual(EVERY_SHARD);
    expect(a.owned().epoch).toBeGreaterThan(together);
    await redis.run('FLUSHALL', (client) => client.flushall());
    const before = a.owned().epoch ?? 0;
    await a.renew();
    expect(a.owned().epoch).toBeGreaterThan(before);
  });

  test('have nothing any more once their lease is over by their own clock, whatever Redis does', async () => {
    const a = anOwner(freshName(), 'a');
    await a.renew();
    expect(a.owned().shards).toHaveLength(SHARD_COUNT);
    await clock.sleep(LEASE_MS);
    expect(a.owned().shards).toEqual([]);
  });
});

describe('processes that work on a queue', () => {
  const startWorker = (name: string): ChildProcess => {
    const file = join(import.meta.dirname, 'worker-process.ts');
    const worker = spawn(process.execPath, [file, String(stack.redis?.port), name], { stdio: 'ignore' });
    processes.push(worker);
    return worker;
  };
  const leases = (name: string) =>
    redis.run('ZRANGE', (client) => client.zrange(`tillmesh:${name}:{workers}:leases`, '0', '-1'));
  const handled = (name: string) => redis.run('HGETALL', (client) => client.hgetall(`${name}:handled`));

  test('take over what a killed one had within seconds; what one that stood still had is done once more at most, and nothing is lost', async () => {
    const name = freshName();
    const queue = createRedisQueue(redis, name);
    const [killed, frozen] = [startWorker(name), startWorker(name), startWorker(name)];
    await expect.poll(async () => (await leases(name)).length, { timeout: 20_000 }).toBe(3);
    let count = 0;
    const give = async (rounds: number) => {
      for (let round = 0; round < rounds; round += 1) {
        await queue.add(Array.from({ length: 40 }, () => entry(`entry-${count++}`, 50)));
        await clock.sleep(50);
      }
    };
    await give(20);
    killed?.kill('SIGKILL');
    await give(40);
    frozen?.kill('SIGSTOP');
    await give(40);
    frozen?.kill('SIGCONT');
    await give(20);
    await expect.poll(async () => Object.keys(await handled(name)).length, { timeout: 15_000 }).toBe(count);
    const times = Object.values(await handled(name)).map(Number);
    expect(Math.max(...times)).toBeLessThanOrEqual(3);
    const late = Object.values(await redis.run('HGETALL', (client) => client.hgetall(`${name}:late`))).map(Number);
    // A lease that runs out, the others' next renewal, their look, and what a busy machine adds.
    expect(Math.max(...late)).toBeLessThan(LEASE_MS + RENEW_EVERY_MS + 100 + 2_000);
    const remaining = await Promise.all(EVERY_SHARD.map((shard) => queue.look(shard)));
    expect(remaining.reduce((sum, look) => sum + look.count, 0)).toBe(0);
  }, 60_000);
});
