import type { Log } from '@tillmesh/telemetry';
import { Redis } from 'ioredis';
import { type RedisSettings, reconnectAfterMs } from './redis-connection.ts';

/** The connections of one of BullMQ's queues, which blocks on them and closes none that it was given. */
export type JobConnections = {
  /** Opens one more. */
  connect(): Redis;
  /** Tells the log of trouble, once in so many times: a Redis that is away fails again with every reconnect. */
  complain(error: unknown): void;
  /** Something went well: the next trouble is told at once. */
  recovered(): void;
  /** Cuts all of them. */
  close(): void;
};

const LOG_EVERY_FAILURES = 50;

/** @param trouble what the log is told, with its consequence. */
export const createJobConnections = (options: {
  readonly redis: Omit<RedisSettings, 'timeoutMs'>;
  readonly trouble: string;
  readonly log: Log;
}): JobConnections => {
  const { redis, trouble, log } = options;
  let failures = 0;
  const clients: Redis[] = [];
  const complain = (error: unknown): void => {
    if (failures % LOG_EVERY_FAILURES === 0) log.warn({ err: error }, trouble);
    failures += 1;
  };
  return {
    connect: () => {
      const client = new Redis({
        host: redis.host,
        port: redis.port,
        ...(redis.password === undefined ? {} : { password: redis.password.reveal() }),
        // Whoever waits blockingly has to wait on over a reconnect: BullMQ demands it.
        maxRetriesPerRequest: null,
        connectTimeout: 500,
        retryStrategy: reconnectAfterMs,
      });
      client.on('error', complain);
      clients.push(client);
      return client;
    },
    complain,
    recovered: () => {
      failures = 0;
    },
    close: () => {
      for (const client of clients) client.disconnect();
    },
  };
};
