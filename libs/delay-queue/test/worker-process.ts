// A worker as its own process, for tests that kill it: node worker-process.ts <port> <queue>. Counts what it handles in Redis:
// `<queue>:handled`, by id, and the latest of each by `<queue>:late`, ms.
import { systemClock, systemRandom } from '@tillmesh/clock';
import { createLog } from '@tillmesh/telemetry';
import { createRedisQueue, createShardOwner, openRedis, workQueue } from '../src/index.ts';

const [port = '0', name = ''] = process.argv.slice(2);
const clock = systemClock;
const log = createLog('worker', 'silent');
const redis = openRedis({ host: '127.0.0.1', port: Number(port), timeoutMs: 1_000 }, log);
const owner = createShardOwner({ redis, name, worker: systemRandom.hex(8), clock, log });
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
const kept = owner.keep(stop.signal);
await workQueue({
  name,
  queue: createRedisQueue(redis, name),
  owned: owner.owned,
  free: () => 100,
  handle: async ({ id, lateMs }) => {
    await redis.run('MULTI', (client) =>
      client.pipeline().hincrby(`${name}:handled`, id, 1).hset(`${name}:late`, id, lateMs).exec(),
    );
    return { kind: 'done' };
  },
  visibilityMs: 1_000,
  lookEveryMs: () => 100,
  retryAfterMs: 100,
  onNotOwner: () => void owner.renew().catch(() => undefined),
  clock,
  log,
  signal: stop.signal,
});
await kept;
redis.close();
