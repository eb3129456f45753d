import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import type { Account } from './accounts.ts';
import { rowsOf, run } from './administrator.ts';
import { awaitExecuted, type LongWait } from './await-executed.ts';
import { LocalStackError } from './local-stack-error.ts';
import { ATTACH_MS, awaitReplica } from './opening-primary.ts';
import { pollUntil } from './waiting.ts';

/** Where a replica gets its rows from and how it fares. */
export type ReplicaState = {
  readonly primaryPort: number;
  /** The thread that receives: `Yes` only while it is connected. */
  readonly receiving: boolean;
  /** The thread that executes. */
  readonly executing: boolean;
  readonly secondsBehind: number | undefined;
  /** The last error of either thread; empty when all is well. */
  readonly problem: string;
  /** A thread has ended by an error: only a person mends that. A primary that is merely away is asked again. */
  readonly broken: boolean;
};

/** Undefined for a node that is no replica. */
export const readReplicaState = async (connection: Connection): Promise<ReplicaState | undefined> => {
  const row = (await rowsOf(connection, 'SHOW SLAVE STATUS'))[0];
  if (row === undefined) return undefined;
  const behind: unknown = row['Seconds_Behind_Master'];
  return {
    primaryPort: Number(row['Master_Port']),
    receiving: row['Slave_IO_Running'] === 'Yes',
    executing: row['Slave_SQL_Running'] === 'Yes',
    secondsBehind: behind === null ? undefined : Number(behind),
    problem: [row['Last_IO_Error'], row['Last_SQL_Error']].filter((text) => text !== '').join('; '),
    broken:
      (row['Slave_IO_Running'] === 'No' && row['Last_IO_Error'] !== '') ||
      (row['Slave_SQL_Running'] === 'No' && row['Last_SQL_Error'] !== ''),
  };
};

/** The primary's side of semi-sync. */
export type SemiSyncState = {
  readonly on: boolean;
  /** Replicas that are attached and will acknowledge. */
  readonly clients: number;
};

/** Reads it at the primary; at a replica it says that semi-sync is off. */
export const readSemiSyncState = async (connection: Connection): Promise<SemiSyncState> => {
  const rows = await rowsOf(connection, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_%'");
  const values = new Map(rows.map((row) => [String(row['Variable_name']), String(row['Value'])]));
  return {
    on: values.get('Rpl_semi_sync_master_status') === 'ON',
    clients: Number(values.get('Rpl_semi_sync_master_clients') ?? 0),
  };
};

/**
 * Makes a node that has just been started replicate from the primary. Does not wait until it is connected: the
 * primary may be away.
 */
export const followPrimary = async (
  connection: Connection,
  primary: { readonly host: string; readonly port: number },
  replication: Account,
): Promise<void> => {
  const password = replication.password.reveal();
  await run(
    connection,
    `CHANGE MASTER TO MASTER_HOST = ?, MASTER_PORT = ?, MASTER_USER = ?, MASTER_PASSWORD = ?,
       MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1`,
    [primary.host, primary.port, replication.user, password],
  );
  await run(connection, 'START SLAVE');
};

/** The most that waiting for a replica takes altogether, with the statements before and after it. */
export const ATTACH_MS_MAX = 30_000;
const POLL_MS = 50;

/**
 * Waits until a replica is connected to its primary and executes, for 20 seconds unless told.
 *
 * @throws {LocalStackError} `replication_broken` when it is not, at once when one of its threads has ended by an error.
 */
export const awaitAttached = async (
  clock: Clock,
  name: string,
  connection: Connection,
  signal?: AbortSignal,
  withinMs: number = ATTACH_MS,
): Promise<void> => {
  let state: ReplicaState | undefined;
  const answer = await pollUntil({
    clock,
    everyMs: POLL_MS,
    withinMs,
    signal,
    probe: async () => {
      state = await readReplicaState(connection);
      if (state?.receiving === true && state.executing) return 'attached';
      return state?.broken === true ? 'broken' : undefined;
    },
  });
  if (answer === 'attached') return;
  const problem = state === undefined || state.problem === '' ? 'no error is told' : state.problem;
  throw new LocalStackError(
    'replication_broken',
    `${name} does not follow its primary: ${problem}\n  If its data has gone its own way, make it anew: rebuild().`,
  );
};

/** Up to which transaction a primary has written its binary log. */
export const binlogPosition = async (connection: Connection): Promise<string> =>
  String((await rowsOf(connection, 'SELECT @@GLOBAL.gtid_binlog_pos AS position'))[0]?.['position'] ?? '');

/**
 * Waits until a replica has executed everything up to a position of its primary, as long as it gets on.
 *
 * @throws {LocalStackError} `replication_broken` after 30 seconds without an advance.
 */
export const awaitCaughtUp = async (
  name: string,
  connection: Connection,
  position: string,
  wait: LongWait,
): Promise<void> => {
  const problem = await awaitExecuted(name, connection, position, wait);
  if (problem === undefined) return;
  throw new LocalStackError('replication_broken', `${name} has not caught up with its primary: ${problem}`);
};

/**
 * Lets a primary take writes: waits until at least one replica is attached, then turns semi-sync on and read_only
 * off, in this order, so that no write is ever answered that no replica has.
 */
export const openPrimary = async (
  clock: Clock,
  name: string,
  connection: Connection,
  signal?: AbortSignal,
): Promise<void> => {
  await awaitReplica(name, async () => (await readSemiSyncState(connection)).clients, { clock, signal });
  await run(connection, 'SET GLOBAL rpl_semi_sync_master_enabled = ON');
  await run(connection, 'SET GLOBAL read_only = OFF');
};
