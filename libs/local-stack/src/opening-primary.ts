import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import { DATABASE } from './accounts.ts';
import { rowsOf, run } from './administrator.ts';
import { LocalStackError } from './local-stack-error.ts';
import { pollUntil } from './waiting.ts';

/** So long a replica may take to attach itself. */
export const ATTACH_MS = 20_000;
const POLL_MS = 50;

/**
 * Waits until a replica is attached to a primary: before that no write would be answered.
 *
 * @param replicas how many are attached now.
 * @throws {LocalStackError} `replication_broken` where none comes.
 */
export const awaitReplica = async (
  name: string,
  replicas: () => Promise<number>,
  { clock, signal }: { readonly clock: Clock; readonly signal?: AbortSignal | undefined },
): Promise<void> => {
  const answer = await pollUntil({
    clock,
    everyMs: POLL_MS,
    withinMs: ATTACH_MS,
    signal,
    probe: async () => ((await replicas()) >= 1 ? 'attached' : undefined),
  });
  if (answer !== 'late') return;
  throw new LocalStackError(
    'replication_broken',
    `${name} stays read-only: no replica attached itself within ${ATTACH_MS} ms. Start one: the primary opens with it.`,
  );
};

/** Makes the schema where it is missing. Asked first: IF NOT EXISTS alone would write a transaction to the binlog at every start. */
export const makeDatabase = async (connection: Connection): Promise<void> => {
  const present = await rowsOf(connection, `SHOW DATABASES LIKE '${DATABASE}'`);
  if (present.length === 0) await run(connection, `CREATE DATABASE ${DATABASE}`);
};
