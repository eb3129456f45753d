import type { Secret } from '@tillmesh/config';
import { type Log, SpanKind, withSpan } from '@tillmesh/telemetry';
import { Redis } from 'ioredis';

export type RedisSettings = {
  readonly host: string;
  readonly port: number;
  readonly password?: Secret | undefined;
  /** A call that takes longer is given up, ms; at most 50. */
  readonly timeoutMs: number;
};

/** Redis that can never cost its caller more than the time-out: calls fail at once while it is away. */
export type RedisConnection = {
  /**
   * Runs one command, or several in one round trip.
   *
   * @param name the command, for traces.
   */
  run<T>(name: string, command: (redis: Redis) => Promise<T>): Promise<T>;
  isReady(): boolean;
  close(): void;
};

const LOG_EVERY_FAILURES = 50;

/** How long to wait before the next try to connect, ms. @param times how many were made. */
export const reconnectAfterMs = (times: number): number => Math.min(50 * 2 ** Math.min(times, 5), 1_000);

/** Opens a connection that reconnects by itself for ever. */
export const openRedis = (settings: RedisSettings, log: Log): RedisConnection => {
  const redis = new Redis({
    host: settings.host,
    port: settings.port,
    ...(settings.password === undefined ? {} : { password: settings.password.reveal() }),
    commandTimeout: settings.timeoutMs,
    connectTimeout: 500,
    socketTimeout: 1_000,
    // A command that waits for a reconnect, or is sent twice after one, is worse than one that failed: the database knows.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: reconnectAfterMs,
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  let failures = 0;
  redis.on('error', () => {
    // One line for each that matters: a Redis that is away fails again with every reconnect.
    if (failures % LOG_EVERY_FAILURES === 0)
      log.warn({ host: settings.host, port: settings.port }, 'Redis is away; the sweep does its work');
    failures += 1;
  });
  redis.on('ready', () => {
    failures = 0;
    log.info({ host: settings.host, port: settings.port }, 'Redis is there');
  });
  return {
    run: (name, command) =>
      withSpan(
        name,
        {
          kind: SpanKind.CLIENT,
          attributes: {
            'db.system.name': 'redis',
            'db.operation.name': name,
            'server.address': settings.host,
            'server.port': settings.port,
          },
        },
        () => command(redis),
      ),
    isReady: () => redis.status === 'ready',
    close: () => redis.disconnect(),
  };
};
