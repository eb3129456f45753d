import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { NodeSignal } from './mariadb-node.ts';
import { LOCAL_HOST } from './ports.ts';
import type { Supervisor } from './process-supervisor.ts';
import { redisConfig } from './redis-settings.ts';
import type { RedisServer } from './servers.ts';

/** The Redis of a local stack. Holds schedules and hints, never truth. */
export type LocalRedis = {
  readonly host: string;
  readonly port: number;
  /** The process number, undefined while it does not run. */
  readonly pid: number | undefined;
  /** True also for a process that SIGSTOP holds. */
  isRunning(): boolean;
  /** Sends the signal at once; resolves for SIGKILL and SIGTERM when the process has ended. */
  kill(signal: NodeSignal): Promise<void>;
  /** Starts it again on its own data and waits until that is loaded. Nothing happens when it runs. */
  start(): Promise<void>;
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

export const createLocalRedis = (options: {
  readonly server: RedisServer;
  readonly port: number;
  readonly home: string;
  readonly supervisor: Supervisor;
}): LocalRedis & { startWith(signal?: AbortSignal): Promise<void>; stop(): Promise<void> } => {
  const { server, port, home, supervisor } = options;
  const pid = () => supervisor.pid(REDIS_NAME);
  let starting: Promise<void> | undefined;

  const startProcess = async (signal?: AbortSignal) => {
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
  const startWith = (signal?: AbortSignal): Promise<void> => {
    if (starting !== undefined) return starting;
    if (pid() !== undefined) return Promise.resolve();
    starting = startProcess(signal).finally(() => {
      starting = undefined;
    });
    return starting;
  };

  return {
    host: LOCAL_HOST,
    port,
    get pid() {
      return pid();
    },
    isRunning: () => pid() !== undefined,
    kill: (signal) => supervisor.kill(REDIS_NAME, signal),
    start: () => startWith(),
    startWith,
    stop: () => supervisor.stop(REDIS_NAME),
  };
};
