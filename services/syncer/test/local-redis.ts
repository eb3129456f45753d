import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { openRedis, type RedisConnection } from '@tillmesh/delay-queue';
import { startLocalStack } from '@tillmesh/local-stack';
import { createLog } from '@tillmesh/telemetry';

const TRIES_MAX = 100;
const TRY_EVERY_MS = 100;

/** A real Redis of a test's own, and a connection to it. */
export type LocalRedis = { readonly redis: RedisConnection; close(): Promise<void> };

/** Starts a Redis and resolves when it answers. */
export const startLocalRedis = async (): Promise<LocalRedis> => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-syncer-'));
  const stack = await startLocalStack({ folder, groupTags: [], redis: true, clock: systemClock });
  if (stack.redis === undefined) throw new Error('the stack has no Redis');
  const { host, port } = stack.redis;
  const redis = openRedis({ host, port, timeoutMs: 1_000 }, createLog('test', 'silent'));
  for (let tries = 0; tries < TRIES_MAX && !redis.isReady(); tries += 1) await systemClock.sleep(TRY_EVERY_MS);
  return {
    redis,
    close: async () => {
      redis.close();
      await stack.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
