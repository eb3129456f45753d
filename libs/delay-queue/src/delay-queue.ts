import { hash } from 'node:crypto';
import type { Clock } from '@tillmesh/clock';
import type { RedisConnection } from './redis-connection.ts';

/** Fixed for ever: changing it would leave members in shards that nobody looks at. */
export const SHARD_COUNT = 64;

/**
 * Members with the time they are due, in Redis sorted sets by shard. Holds schedules, never truth: whatever is lost here the
 * sweep of the databases finds. Every call rejects while Redis is away.
 */
export type DelayQueue = {
  /** Adds a member, or moves it to a new time. */
  add(member: string, afterMs: number): Promise<void>;
  /** Takes what is due, at most `limit` of each shard, and pushes it back by the visibility time: it comes again unless it is removed. */
  claim(limit: number, visibilityMs: number): Promise<readonly string[]>;
  remove(members: readonly string[]): Promise<void>;
  size(): Promise<number>;
};

// Members that are due, pushed back in the same step, so that two workers never get the same one. KEYS[1] the shard,
// ARGV now, limit, next time.
const CLAIM = `
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[3], member) end
return due`;

/** What a pipeline gives: an error or an answer for each of its commands. */
type Results = readonly (readonly [error: Error | null, answer: unknown])[] | null;

/** The answers of commands that were carried out. A pipeline never rejects: unless it is looked at, a Redis that is away is an empty one. */
const answersOf = (
  results: Results,
): { readonly answers: readonly unknown[]; readonly failure: Error | undefined } => ({
  answers: (results ?? []).flatMap(([error, answer]) => (error === null ? [answer] : [])),
  failure:
    results === null
      ? new Error('Redis gave no answer')
      : (results.find(([error]) => error !== null)?.[0] ?? undefined),
});

/** The shard of a member, 0 to 63. */
export const shardOf = (member: string): number =>
  Number.parseInt(hash('sha1', member, 'hex').slice(0, 8), 16) % SHARD_COUNT;

/** @param name of the queue: part of its keys. The shard stands in braces, so that Redis Cluster keeps a shard on one node. */
export const createDelayQueue = (redis: RedisConnection, name: string, clock: Clock): DelayQueue => {
  const keyOf = (shard: number): string => `tillmesh:${name}:{${String(shard).padStart(2, '0')}}:due`;
  const shards = Array.from({ length: SHARD_COUNT }, (_, shard) => keyOf(shard));
  return {
    add: async (member, afterMs) => {
      await redis.run('ZADD', (client) => client.zadd(keyOf(shardOf(member)), clock.nowMs() + afterMs, member));
    },
    claim: async (limit, visibilityMs) => {
      const nowMs = clock.nowMs();
      return redis.run('EVAL claim', async (client) => {
        const pipeline = client.pipeline();
        for (const key of shards) pipeline.eval(CLAIM, 1, key, nowMs, limit, nowMs + visibilityMs);
        const { answers, failure } = answersOf(await pipeline.exec());
        // What some shards gave is claimed: it must not be lost because others failed.
        if (failure !== undefined && answers.length === 0) throw failure;
        return answers.flatMap((members) => (Array.isArray(members) ? members.map(String) : []));
      });
    },
    remove: async (members) => {
      if (members.length === 0) return;
      await redis.run('ZREM', async (client) => {
        const pipeline = client.pipeline();
        for (const member of members) pipeline.zrem(keyOf(shardOf(member)), member);
        const { failure } = answersOf(await pipeline.exec());
        if (failure !== undefined) throw failure;
      });
    },
    size: () =>
      redis.run('ZCARD', async (client) => {
        const pipeline = client.pipeline();
        for (const key of shards) pipeline.zcard(key);
        const { answers, failure } = answersOf(await pipeline.exec());
        if (failure !== undefined) throw failure;
        return answers.reduce<number>((sum, count) => sum + Number(count), 0);
      }),
  };
};
