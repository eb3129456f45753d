import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { LOCAL_HOST } from './ports.ts';
import type { Supervisor } from './process-supervisor.ts';
import { redisConfig } from './redis-settings.ts';
import { createServerLife, type ServerLife } from './server-life.ts';
import type { RedisServer } from './servers.ts';

/** The Redis of a local stack; back from `start()` when it has loaded its data. Holds schedules and hints, never truth. */
export type LocalRedis = ServerLife & { readonly host: string; readonly port: number };

/** A Redis with what only the stack itself does. */
export type ControlledRedis = {
  readonly redis: LocalRedis;
  /** The first start, which can be given up. */
  start(signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
};

export const REDIS_NAME = 'redis';
const CONNECT_MS = 500;
const STOP_GRACE_MS = 2_000;

/** One PING on a connection of its own; rejects while the server is away or still loads its data. */
const ping = async (port: number): Promise<void> => {
  const redis = new Redis({
    host: LOCAL_HOST,
    port,
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    commandTimeout: CONNECT_MS,
    enableOfflineQueue: false,
    enableReadyCheck: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // The rejection of connect or ping tells the same.
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    await redis.ping();
  } finally {
    redis.disconnect();
  }
};

/** A Redis as it will be; nothing is started. */
export const createLocalRedis = (options: {
  readonly server: RedisServer;
  readonly port: number;
  readonly home: string;
  readonly supervisor: Supervisor;
}): ControlledRedis => {
  const { server, port, home, supervisor } = options;
  const start = async (signal?: AbortSignal) => {
    const dataFolder = join(home, 'data');
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
    const configFile = join(home, 'redis.conf');
    writeFileSync(configFile, redisConfig({ port, dataFolder }), { mode: 0o600 });
    await supervisor.start(
      {
        name: REDIS_NAME,
        command: server.path,
        args: [configFile],
        cwd: home,
        ready: () => ping(port),
        restart: false,
        stopGraceMs: STOP_GRACE_MS,
      },
      signal,
    );
  };
  const life = createServerLife({
    pid: () => supervisor.pid(REDIS_NAME),
    kill: (signal) => supervisor.kill(REDIS_NAME, signal),
    start: () => start(),
  });
  return {
    // Assigned, not spread: a spread would read the process number once and keep it.
    redis: Object.assign(life, { host: LOCAL_HOST, port }),
    start,
    stop: () => supervisor.stop(REDIS_NAME),
  };
};
