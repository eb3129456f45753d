import { hash } from 'node:crypto';
import {
  type Added,
  type Claim,
  type ClaimBatch,
  createChecks,
  DELAY_QUEUE_LIMITS,
  type DelayQueue,
  DelayQueueError,
  type DelayQueueLimits,
  type Held,
} from './delay-queue.ts';
import type { RedisConnection } from './redis-connection.ts';
import { ACK, ADD, AGAIN, CLAIM, EXTEND, LOOK, REMOVE } from './redis-queue-scripts.ts';
import type { RedisScript } from './redis-script.ts';

/** Fixed for ever: changing it would leave entries in shards that nobody looks at. */
export const SHARD_COUNT = 64;

/** A fence outlives by far every lease that may have been given before it. */
const FENCE_KEEP_MS = 600_000;
const US_PER_MS = 1_000;

/** The shard of an id, 0 to 63. */
export const shardOf = (id: string): number => Number.parseInt(hash('sha1', id, 'hex').slice(0, 8), 16) % SHARD_COUNT;

const keysOf = (name: string, shard: number) => {
  const shardKey = `tillmesh:${name}:{${String(shard).padStart(2, '0')}}`;
  return { due: `${shardKey}:due`, again: `${shardKey}:again`, fence: `${shardKey}:fence`, payload: `${shardKey}/` };
};

const wordsOf = (answer: unknown): readonly string[] => {
  if (!Array.isArray(answer)) throw new TypeError('Redis gave no list');
  return answer.map(String);
};

type Placed<Item> = { readonly item: Item; readonly place: number };

/**
 * A delay queue in Redis 7 or Valkey, alone or a Cluster, for many processes: sorted sets of 64 shards and a string for each payload.
 * Holds schedules, never truth. Times are those of Redis. A call takes as long as its connection allows, at most 50 ms, for each
 * of the shards at once.
 *
 * @param name of the queue, part of its keys: small letters, digits and hyphens, at most 32.
 */
export const createRedisQueue = (
  redis: RedisConnection,
  name: string,
  limits: Partial<DelayQueueLimits> = {},
): DelayQueue => {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(name)) throw new RangeError(`a queue cannot be named ${JSON.stringify(name)}`);
  const all: DelayQueueLimits = { ...DELAY_QUEUE_LIMITS, ...limits };
  const checks = createChecks(all, SHARD_COUNT);
  const shards = Array.from({ length: SHARD_COUNT }, (_, shard) => keysOf(name, shard));
  const keysIn = (shard: number) => shards[shard] ?? keysOf(name, shard);

  const run = async (
    script: RedisScript,
    keys: readonly string[],
    words: readonly (string | number)[],
    ids: readonly string[] = [],
  ): Promise<readonly string[]> => {
    try {
      return wordsOf(await script(redis, keys, words));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new DelayQueueError('unavailable', `Redis did not do it: ${why}`, ids, error);
    }
  };

  /**
   * One script for each shard, all at once; the answers in the items' order. Where some shards failed, rejects with the ids of all of
   * theirs, after all have ended.
   */
  const byShard = async <Item extends { readonly id: string }>(
    script: RedisScript,
    items: readonly Item[],
    before: readonly (string | number)[],
    words: (item: Item) => readonly (string | number)[],
  ): Promise<readonly string[]> => {
    const groups = Map.groupBy(
      items.map((item, place): Placed<Item> => ({ item, place })),
      ({ item }) => shardOf(item.id),
    );
    const answers: string[] = [];
    const failures: DelayQueueError[] = [];
    await Promise.all(
      [...groups].map(async ([shard, group]) => {
        const { due, again, payload } = keysIn(shard);
        const ids = group.map(({ item }) => item.id);
        const keys = [due, again, ...ids.map((id) => payload + id)];
        try {
          const own = await run(script, keys, [...before, ...group.flatMap(({ item }) => words(item))], ids);
          for (const [at, { place }] of group.entries()) answers[place] = own[at] ?? '';
        } catch (error) {
          if (!(error instanceof DelayQueueError)) throw error;
          failures.push(error);
        }
      }),
    );
    const [first] = failures;
    if (first !== undefined)
      throw new DelayQueueError(
        first.code,
        first.message,
        failures.flatMap(({ ids }) => ids),
        first.cause,
      );
    return answers;
  };
  const heldOf = (answer: string): Held => (answer === '1' ? 'held' : 'fenced');

  return {
    shardCount: SHARD_COUNT,
    limits: all,
    shardOf,
    add: async (entries) => {
      checks.entries(entries);
      const came = await byShard(ADD, entries, [all.keepMs, all.shardEntriesMax], (entry) => [
        entry.id,
        entry.payload,
        entry.afterMs * US_PER_MS,
        entry.ifWaiting,
      ]);
      const full = entries.filter((_, place) => came[place] === 'full').map(({ id }) => id);
      if (full.length > 0)
        throw new DelayQueueError('shard_full', `${all.shardEntriesMax} entries wait in the shard already`, full);
      return came as readonly Added[];
    },
    claim: async (request): Promise<ClaimBatch> => {
      checks.claim(request);
      const { shard, limit, visibilityMs, epoch } = request;
      const { due, again, fence, payload } = keysIn(shard);
      const [token = '', next = '', stale = '0', ...rest] = await run(
        CLAIM,
        [due, again, fence],
        [limit, visibilityMs * US_PER_MS, epoch ?? '', FENCE_KEEP_MS, payload],
      );
      if (token === 'fenced')
        throw new DelayQueueError(
          'not_owner',
          `shard ${shard} was claimed with epoch ${next}, which is above ${epoch}`,
        );
      const claims: Claim[] = [];
      for (let at = 0; at + 2 < rest.length; at += 3) {
        claims.push({
          id: rest[at] ?? '',
          payload: rest[at + 1] ?? '',
          shard,
          token: Number(token),
          lateMs: Number(rest[at + 2]) / US_PER_MS,
        });
      }
      return { claims, nextInMs: next === '' ? undefined : Number(next) / US_PER_MS, stale: Number(stale) };
    },
    ack: async (claims) => {
      checks.ids(claims.map(({ id }) => id));
      return (await byShard(ACK, claims, [], ({ id, token }) => [id, token])).map(heldOf);
    },
    again: async (claims) => {
      checks.again(claims);
      const words = (claim: Claim & { readonly afterMs: number }) => [
        claim.id,
        claim.token,
        claim.afterMs * US_PER_MS,
        claim.payload,
      ];
      return (await byShard(AGAIN, claims, [all.keepMs], words)).map(heldOf);
    },
    extend: async (claims, visibilityMs) => {
      checks.ids(claims.map(({ id }) => id));
      checks.visibility(visibilityMs);
      const tokens = await byShard(EXTEND, claims, [visibilityMs * US_PER_MS], ({ id, token }) => [id, token]);
      return claims.map((claim, place) =>
        tokens[place] === '' || tokens[place] === undefined ? undefined : { ...claim, token: Number(tokens[place]) },
      );
    },
    remove: async (ids) => {
      checks.ids(ids);
      const groups = Map.groupBy(ids, shardOf);
      const counts = await Promise.all(
        [...groups].map(async ([shard, own]) => {
          const { due, again, payload } = keysIn(shard);
          const [count = '0'] = await run(REMOVE, [due, again, ...own.map((id) => payload + id)], own, own);
          return Number(count);
        }),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },
    look: async (shard) => {
      checks.shard(shard);
      const [count = '0', overdueUs = '0'] = await run(LOOK, [keysIn(shard).due], []);
      return { count: Number(count), overdueMs: Number(overdueUs) / US_PER_MS };
    },
  };
};
