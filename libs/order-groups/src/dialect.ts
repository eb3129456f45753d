import { optionalText } from './columns.ts';
import type { Connection, Deadline, Statement } from './connection.ts';
import { mariadb } from './dialect-mariadb.ts';
import { mysql } from './dialect-mysql.ts';
import type { Grant } from './node-grants.ts';
import type { NodeSettings } from './node-settings.ts';

/** What a server says of itself. */
export type NodeFacts = {
  readonly readOnly: boolean;
  /** Writes wait for a replica before they are acknowledged. */
  readonly semiSyncOn: boolean;
  /** Replicas that acknowledge. */
  readonly semiSyncClients: number;
  /** Commits that did not wait; it must never grow. */
  readonly unacknowledgedCommits: number;
  readonly settings: NodeSettings;
  /** Of the account that asks. */
  readonly grants: readonly Grant[];
};

/** The few things that MariaDB and MySQL say differently. */
export type Dialect = {
  readonly factsOf: (connection: Connection, deadline: Deadline) => Promise<NodeFacts>;
  /**
   * Waits until a replica has executed everything that it had received when asked. A server that replicates from nobody has
   * nothing to wait for.
   *
   * @param waitMs at most this long.
   * @returns false when it was not done in time.
   */
  readonly drain: (connection: Connection, waitMs: number, deadline: Deadline) => Promise<boolean>;
};

const VERSION: Statement = { summary: 'SELECT version', sql: 'SELECT VERSION() AS version' };

// Of each connection, not of each address: what listens there may be another server after a restart.
const known = new WeakMap<Connection, Dialect>();

const dialectOf = async (connection: Connection, deadline: Deadline): Promise<Dialect> => {
  const before = known.get(connection);
  if (before !== undefined) return before;
  const { rows } = await connection.run(VERSION, [], deadline);
  const dialect = /mariadb/i.test(optionalText(rows[0], 'version') ?? '') ? mariadb : mysql;
  known.set(connection, dialect);
  return dialect;
};

/** The dialect of whatever server a connection leads to; each connection asks once. */
export const anyDialect: Dialect = {
  factsOf: async (connection, deadline) => (await dialectOf(connection, deadline)).factsOf(connection, deadline),
  drain: async (connection, waitMs, deadline) =>
    (await dialectOf(connection, deadline)).drain(connection, waitMs, deadline),
};
