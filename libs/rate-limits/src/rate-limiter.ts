import type { Clock } from '@tillmesh/clock';
import type { RedisConnection } from '@tillmesh/delay-queue';
import { counter } from '@tillmesh/telemetry';
import type { Redis } from 'ioredis';
import { type Bucket, intervalUs, toleranceUs, type Verdict } from './limit.ts';
import { LocalBuckets } from './local-buckets.ts';
import { TAKE } from './take-script.ts';

const decisions = counter('tillmesh_rate_limit_decisions_total', 'Calls that limits were asked for, by who decided.', [
  'by',
  'allowed',
]);
const refusals = counter('tillmesh_rate_limited_total', 'Calls refused because a bucket was empty.', ['kind', 'by']);

/** After Redis failed it is asked again so much later, ms: not every call waits for it. */
export const REDIS_REST_MS = 1_000;

const US_PER_MS = 1_000;
// One slot in a cluster: a call's buckets are taken in one step.
const redisKey = ({ kind, key }: Bucket): string => `rate:{limits}:${kind}:${key}`;

type WithTake = Redis & { tillmeshTake(keys: number, ...words: readonly string[]): Promise<[number, string]> };

const prepared = new WeakSet<Redis>();
const withTake = (redis: Redis): WithTake => {
  if (!prepared.has(redis)) {
    redis.defineCommand('tillmeshTake', { lua: TAKE });
    prepared.add(redis);
  }
  return redis as WithTake;
};

export type RateLimiter = {
  /**
   * Takes a token from each of the buckets, or from none. Takes at most the connection's time-out, 50 ms; without Redis this
   * process' share decides. Never rejects.
   */
  take(buckets: readonly Bucket[]): Promise<Verdict>;
};

/** @param options.processes that share the limits, for the time without Redis. */
export const createRateLimiter = (options: {
  readonly redis: RedisConnection | undefined;
  readonly processes: () => number;
  readonly clock: Clock;
}): RateLimiter => {
  const { redis, processes, clock } = options;
  let local: { readonly of: number; readonly buckets: LocalBuckets } | undefined;
  let restUntilMs = Number.NEGATIVE_INFINITY;

  const takeHere = (buckets: readonly Bucket[]): Verdict => {
    const of = processes();
    if (local?.of !== of) local = { of, buckets: new LocalBuckets(clock, of) };
    return local.buckets.take(buckets);
  };

  const takeFrom = async (connection: RedisConnection, buckets: readonly Bucket[]): Promise<Verdict | undefined> => {
    const words = [
      ...buckets.map(redisKey),
      ...buckets.flatMap(({ limit }) => [String(intervalUs(limit)), String(toleranceUs(limit))]),
    ];
    try {
      const [empty, waitUs] = await connection.run('TAKE', (client) =>
        withTake(client).tillmeshTake(buckets.length, ...words),
      );
      const bucket = buckets[empty - 1];
      if (bucket === undefined) return { allowed: true };
      return { allowed: false, bucket, retryAfterMs: Math.ceil(Number(waitUs) / US_PER_MS) };
    } catch {
      restUntilMs = clock.monotonicMs() + REDIS_REST_MS;
      return undefined;
    }
  };

  return {
    take: async (buckets) => {
      if (buckets.length === 0) return { allowed: true };
      const isAsked = redis !== undefined && redis.isReady() && clock.monotonicMs() >= restUntilMs;
      // The one that asks after a rest takes the others' place: they need not wait for what may be away.
      if (isAsked && restUntilMs > 0) restUntilMs = clock.monotonicMs() + REDIS_REST_MS;
      const shared = isAsked ? await takeFrom(redis, buckets) : undefined;
      if (shared !== undefined) restUntilMs = Number.NEGATIVE_INFINITY;
      const verdict = shared ?? takeHere(buckets);
      const by = shared === undefined ? 'process' : 'redis';
      decisions.add({ by, allowed: String(verdict.allowed) });
      if (!verdict.allowed) refusals.add({ kind: verdict.bucket.kind, by });
      return verdict;
    },
  };
};
