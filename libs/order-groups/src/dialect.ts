import { optionalText, text } from './columns.ts';
import type { Connection, Deadline, Statement } from './connection.ts';

/** What a server says of itself. */
export type NodeFacts = {
  readonly readOnly: boolean;
  /** Writes wait for a replica before they are acknowledged. */
  readonly semiSyncOn: boolean;
  /** Replicas that acknowledge. */
  readonly semiSyncClients: number;
  /** Commits that did not wait; it must never grow. */
  readonly unacknowledgedCommits: number;
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

const READ_ONLY: Statement = { summary: 'SELECT read_only', sql: 'SELECT @@global.read_only AS read_only' };
const SEMI_SYNC: Statement = {
  summary: 'SHOW STATUS semi-sync',
  sql: "SHOW GLOBAL STATUS WHERE Variable_name IN ('Rpl_semi_sync_master_status', 'Rpl_semi_sync_master_clients', 'Rpl_semi_sync_master_no_tx')",
  text: true,
};
const REPLICA_STATUS: Statement = { summary: 'SHOW REPLICA STATUS', sql: 'SHOW REPLICA STATUS', text: true };
const GTID_WAIT: Statement = { summary: 'SELECT gtid wait', sql: 'SELECT MASTER_GTID_WAIT(?, ?) AS timed_out' };

/** MariaDB 10.11 and later. */
export const mariadb: Dialect = {
  factsOf: async (connection, deadline) => {
    const readOnly = await connection.run(READ_ONLY, [], deadline);
    const { rows } = await connection.run(SEMI_SYNC, [], deadline);
    const status = new Map(rows.map((row) => [text(row, 'Variable_name').toLowerCase(), text(row, 'Value')]));
    return {
      readOnly: optionalText(readOnly.rows[0], 'read_only') !== '0',
      semiSyncOn: status.get('rpl_semi_sync_master_status') === 'ON',
      semiSyncClients: Number(status.get('rpl_semi_sync_master_clients') ?? 0),
      unacknowledgedCommits: Number(status.get('rpl_semi_sync_master_no_tx') ?? 0),
    };
  },
  drain: async (connection, waitMs, deadline) => {
    const { rows } = await connection.run(REPLICA_STATUS, [], deadline);
    const received = optionalText(rows[0], 'Gtid_IO_Pos') ?? '';
    if (received === '') return true;
    const waited = await connection.run(GTID_WAIT, [received, waitMs / 1_000], deadline);
    return optionalText(waited.rows[0], 'timed_out') === '0';
  },
};
