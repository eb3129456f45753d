import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import type { Account } from './accounts.ts';
import { rowsOf } from './administrator.ts';
import { LocalStackError } from './local-stack-error.ts';
import { ATTACH_MS, awaitReplica } from './opening-primary.ts';
import { pollUntil } from './waiting.ts';

// What replication.ts and execute-relay-log.ts do on MariaDB, in MySQL's words.

const EXECUTE_SECONDS = 30;
const CATCH_UP_SECONDS = 60;
const POLL_MS = 50;

const replicaStatus = async (connection: Connection) => (await rowsOf(connection, 'SHOW REPLICA STATUS'))[0];

/** Makes a node that has just been started replicate from the primary. Does not wait until it is connected. */
export const followPrimary = async (
  connection: Connection,
  primary: { readonly host: string; readonly port: number },
  replication: Account,
): Promise<void> => {
  // The primary's key is asked for because nothing encrypts the connection; retry count 0 is for ever.
  await connection.query(
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST = ?, SOURCE_PORT = ?, SOURCE_USER = ?, SOURCE_PASSWORD = ?,
       SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 0, GET_SOURCE_PUBLIC_KEY = 1`,
    [primary.host, primary.port, replication.user, replication.password.reveal()],
  );
  await connection.query('START REPLICA');
};

/** Waits until a replica is connected to its primary and executes. */
export const awaitAttached = async (
  clock: Clock,
  name: string,
  connection: Connection,
  signal?: AbortSignal,
): Promise<void> => {
  let problem = 'no error is told';
  const answer = await pollUntil({
    clock,
    everyMs: POLL_MS,
    withinMs: ATTACH_MS,
    signal,
    probe: async () => {
      const row = await replicaStatus(connection);
      const errors = [row?.['Last_IO_Error'], row?.['Last_SQL_Error']].filter((text) => text !== '').join('; ');
      if (errors !== '') problem = errors;
      return row?.['Replica_IO_Running'] === 'Yes' && row['Replica_SQL_Running'] === 'Yes' ? 'attached' : undefined;
    },
  });
  if (answer === 'attached') return;
  throw new LocalStackError(
    'replication_broken',
    `${name} does not follow its primary: ${problem}\n  If its data has gone its own way, delete its folder: it is then made anew from the primary.`,
  );
};

/** Which transactions a primary has in its binary log. */
export const binlogPosition = async (connection: Connection): Promise<string> =>
  String((await rowsOf(connection, 'SELECT @@GLOBAL.gtid_executed AS position'))[0]?.['position'] ?? '');

const isExecuted = async (connection: Connection, position: string, withinSeconds: number): Promise<boolean> => {
  const sql = `SELECT WAIT_FOR_EXECUTED_GTID_SET(${connection.escape(position)}, ${withinSeconds}) AS answer`;
  return Number((await rowsOf(connection, sql))[0]?.['answer']) === 0;
};

/** Waits until a replica has executed everything that a primary had. */
export const awaitCaughtUp = async (name: string, connection: Connection, position: string): Promise<void> => {
  if (await isExecuted(connection, position, CATCH_UP_SECONDS)) return;
  throw new LocalStackError(
    'replication_broken',
    `${name} has not caught up with its primary within ${CATCH_UP_SECONDS} s; start again to let it go on`,
  );
};

/**
 * Executes what a replica had received and acknowledged, but not executed, when it ended. With relay_log_recovery off
 * the server keeps it; CHANGE REPLICATION SOURCE would throw it away.
 *
 * @throws {LocalStackError} `replication_broken` when it cannot be executed.
 */
export const executeRelayLog = async (name: string, connection: Connection): Promise<void> => {
  const before = await replicaStatus(connection);
  const received = String(before?.['Retrieved_Gtid_Set'] ?? '');
  if (received === '') return;
  await connection.query('START REPLICA SQL_THREAD');
  const done = await isExecuted(connection, received, EXECUTE_SECONDS);
  const after = await replicaStatus(connection);
  await connection.query('STOP REPLICA');
  if (done) return;
  throw new LocalStackError(
    'replication_broken',
    `${name} cannot execute what it has received: ${String(after?.['Last_SQL_Error']) || `it takes longer than ${EXECUTE_SECONDS} s`}`,
  );
};

/** Lets a primary take writes once a replica is attached: semi-sync on first, then read_only off. */
export const openPrimary = async (
  clock: Clock,
  name: string,
  connection: Connection,
  signal?: AbortSignal,
): Promise<void> => {
  const replicas = async () =>
    Number((await rowsOf(connection, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_clients'"))[0]?.['Value'] ?? 0);
  await awaitReplica(name, replicas, { clock, signal });
  await connection.query('SET GLOBAL rpl_semi_sync_source_enabled = ON');
  // Takes super_read_only off as well.
  await connection.query('SET GLOBAL read_only = OFF');
};
