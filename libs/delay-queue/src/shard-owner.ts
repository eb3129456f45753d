import { hash } from 'node:crypto';
import { type Clock, repeat } from '@tillmesh/clock';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import type { RedisConnection } from './redis-connection.ts';
import { SHARD_COUNT } from './redis-queue.ts';
import { redisScript } from './redis-script.ts';
import type { Owned } from './work-queue.ts';

/** How long a worker that says nothing counts as there, and how often it says something, ms. */
export const LEASE_MS = 3_000;
export const RENEW_EVERY_MS = 1_000;
/** A lease ends so much earlier by its holder's own clock, as a part of it: no two clocks run alike. */
const CLOCK_MARGIN = 0.1;
/** So many workers share out a queue at most. */
export const WORKERS_MAX = 256;
const LOG_EVERY_FAILURES = 50;

const ownedGauge = gauge('tillmesh_delay_queue_shards_owned', 'Shards that this process claims from.', ['queue']);
const workersGauge = gauge('tillmesh_delay_queue_workers', 'Workers with a lease, as this process has heard.', [
  'queue',
]);

// KEYS: leases (workers by the end of their leases in µs), epoch. Words: worker, lease in µs, workers at most. Answers the epoch and
// all workers. The epoch grows whenever a worker comes or goes. It is at least the time in ms: a Redis that has lost it
// must not begin with one that shards have left behind.
const LEASE = redisScript(
  'EVALSHA delay-queue lease',
  `
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local left = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local is_new = not redis.call('ZSCORE', KEYS[1], ARGV[1])
if is_new and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return redis.error_reply('too many workers') end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
local epoch = tonumber(redis.call('GET', KEYS[2]) or '0')
if left > 0 or is_new or epoch == 0 then
  epoch = math.max(epoch + 1, math.floor(now / 1000))
  redis.call('SET', KEYS[2], string.format('%.0f', epoch))
end
local answer = redis.call('ZRANGE', KEYS[1], 0, -1)
table.insert(answer, 1, string.format('%.0f', epoch))
return answer`,
);

// KEYS: leases, epoch. Words: worker. The others hear of it with their next renewal.
const LEAVE = redisScript(
  'EVALSHA delay-queue leave',
  `
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then redis.call('INCR', KEYS[2]) end
return 0`,
);

/**
 * The shards of one of some workers, by rendezvous hashing: each shard is of one of them, and when one comes or goes only shards move
 * that it gets or had.
 */
export const shardsOf = (worker: string, workers: readonly string[], shardCount: number = SHARD_COUNT): number[] => {
  const weight = (one: string, shard: number): string => hash('sha1', `${one}\n${shard}`, 'hex');
  return Array.from({ length: shardCount }, (_, shard) => shard).filter((shard) => {
    const own = weight(worker, shard);
    return workers.every((other) => other === worker || weight(other, shard) < own);
  });
};

/** A worker's part of a queue's shards. */
export type ShardOwner = {
  /** The shards that it may claim from now; none while it has no lease. */
  owned(): Owned;
  /** How many workers have a lease, by its last renewal. */
  readonly workers: number;
  /** Renews the lease now. One at a time: who asks meanwhile gets the same. Rejects while Redis is away. */
  renew(): Promise<void>;
  /** Keeps the lease until the signal is aborted, and gives it back then. */
  keep(signal: AbortSignal): Promise<void>;
};

/**
 * Shares out the shards of a queue among its living workers, by leases in Redis and by the time of Redis. A worker that dies is
 * missed after `LEASE_MS` and replaced with the next renewal of the others: in 4 s. That two have a shard for a moment, the one having heard
 * of the other and not yet the other of the one, does no harm: a claim is atomic, and the shard refuses who has the lower epoch.
 *
 * @param options.worker unlike any other's, and unlike that of this process before it was started again.
 */
export const createShardOwner = (options: {
  readonly redis: RedisConnection;
  /** The queue's. */
  readonly name: string;
  readonly worker: string;
  readonly clock: Clock;
  readonly log: Log;
}): ShardOwner => {
  const { redis, name, worker, clock, log } = options;
  const keys = [`tillmesh:${name}:{workers}:leases`, `tillmesh:${name}:{workers}:epoch`];
  let lease: { readonly endsAtMs: number; readonly epoch: number; readonly shards: readonly number[] } | undefined;
  let workers: readonly string[] = [];
  let underWay: Promise<void> | undefined;
  let failures = 0;

  const ask = async (): Promise<void> => {
    // From before the question: the lease begins when Redis answers it, which is later.
    const askedAtMs = clock.monotonicMs();
    const answer = await LEASE(redis, keys, [worker, LEASE_MS * 1_000, WORKERS_MAX]);
    if (!Array.isArray(answer)) throw new TypeError('Redis gave no list of workers');
    const [epoch, ...all] = answer.map(String);
    const heard = all.toSorted((a, b) => (a < b ? -1 : 1));
    const isSame = heard.length === workers.length && heard.every((one, place) => one === workers[place]);
    const shards = isSame && lease !== undefined ? lease.shards : shardsOf(worker, heard);
    if (!isSame)
      log.info({ queue: name, workers: heard.length, shards: shards.length }, 'the shards are shared out anew');
    workers = heard;
    lease = { endsAtMs: askedAtMs + LEASE_MS * (1 - CLOCK_MARGIN), epoch: Number(epoch), shards };
    failures = 0;
    ownedGauge.set({ queue: name }, shards.length);
    workersGauge.set({ queue: name }, heard.length);
  };

  const renew = (): Promise<void> => {
    underWay ??= ask().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };

  return {
    owned: () => {
      if (lease !== undefined && clock.monotonicMs() < lease.endsAtMs) return lease;
      ownedGauge.set({ queue: name }, 0);
      return { shards: [], epoch: undefined };
    },
    get workers() {
      return workers.length;
    },
    renew,
    keep: async (signal) => {
      await withoutSpans(() =>
        repeat({
          clock,
          everyMs: RENEW_EVERY_MS,
          signal,
          task: renew,
          onError: (error) => {
            if (failures % LOG_EVERY_FAILURES === 0)
              log.warn({ err: error, queue: name }, 'the lease of the shards could not be renewed');
            failures += 1;
          },
        }),
      );
      lease = undefined;
      await underWay?.catch(() => undefined);
      lease = undefined;
      await LEAVE(redis, keys, [worker]).catch(() => undefined);
    },
  };
};
