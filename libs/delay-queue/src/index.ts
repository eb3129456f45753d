export { CHECK_QUEUE, type CheckItem, checkEntry, createCheckQueue, fromMember, toMember } from './check-queue.ts';
export {
  type Added,
  type Claim,
  type ClaimBatch,
  DELAY_QUEUE_LIMITS,
  type DelayQueue,
  DelayQueueError,
  type DelayQueueErrorCode,
  type DelayQueueLimits,
  type Entry,
  type Held,
  type ShardLook,
  sizeOf,
} from './delay-queue.ts';
export { createJobConnections, type JobConnections } from './job-connections.ts';
export { createMemoryQueue } from './memory-queue.ts';
export { openRedis, type RedisConnection, type RedisSettings } from './redis-connection.ts';
export { createRedisQueue, SHARD_COUNT, shardOf } from './redis-queue.ts';
export { type RedisScript, redisScript } from './redis-script.ts';
export {
  createShardOwner,
  LEASE_MS,
  RENEW_EVERY_MS,
  type ShardOwner,
  shardsOf,
  WORKERS_MAX,
} from './shard-owner.ts';
export { type StoppedQueue, watchQueue } from './watch-queue.ts';
export { type Owned, type Verdict, workQueue } from './work-queue.ts';
