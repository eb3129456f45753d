export type { Bucket, BucketKind, Limit, Verdict } from './limit.ts';
export { limitConfig, processesConfig } from './limit-config.ts';
export { createRateLimiter, type RateLimiter, REDIS_REST_MS } from './rate-limiter.ts';
