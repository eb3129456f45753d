export { type CheckItem, createCheckQueue, fromMember, toMember } from './check-queue.ts';
export { createDelayQueue, type DelayQueue, SHARD_COUNT, shardOf } from './delay-queue.ts';
export { openRedis, type RedisConnection, type RedisSettings } from './redis-connection.ts';
