import type { Clock } from '@tillmesh/clock';
import { openRedis } from '@tillmesh/delay-queue';
import type { Mesh } from '@tillmesh/local-mesh';
import { createLog } from '@tillmesh/telemetry';

const REDIS_MS_MAX = 2_000;
const LOOK_EVERY_MS = 20;
const LOOKS_MAX = 100;

/** Removes everything that a mesh has in Redis. @throws where Redis does not answer. */
export const emptyRedis = async (mesh: Mesh, clock: Clock): Promise<void> => {
  const { redis } = mesh.stack;
  if (redis === undefined) throw new Error('the mesh has no Redis');
  const connection = openRedis(
    { host: redis.host, port: redis.port, timeoutMs: REDIS_MS_MAX },
    createLog('drill', 'silent'),
  );
  try {
    for (let looks = 0; looks < LOOKS_MAX && !connection.isReady(); looks += 1) await clock.sleep(LOOK_EVERY_MS);
    await connection.run('FLUSHALL', (client) => client.flushall());
  } finally {
    connection.close();
  }
};
