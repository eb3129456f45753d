import { hash } from 'node:crypto';
import type { RedisConnection } from './redis-connection.ts';

/** A script that is sent by its hash, and whole to a Redis that does not know it (a new one, or one that was started again). */
export type RedisScript = (
  connection: RedisConnection,
  keys: readonly string[],
  words: readonly (string | number)[],
) => Promise<unknown>;

/** @param name for traces. */
export const redisScript = (name: string, lua: string): RedisScript => {
  const sha = hash('sha1', lua);
  return (connection, keys, words) =>
    connection.run(name, async (client) => {
      try {
        return await client.evalsha(sha, keys.length, ...keys, ...words);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return client.eval(lua, keys.length, ...keys, ...words);
      }
    });
};
