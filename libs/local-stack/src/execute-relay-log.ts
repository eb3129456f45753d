import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import { rowsOf } from './administrator.ts';
import { LocalStackError } from './local-stack-error.ts';
import { advancedTo, executedUpTo, includes, type RelayedTransaction, transactionsIn } from './relay-log.ts';
import { pollUntil } from './waiting.ts';

const EXECUTE_MS = 30_000;
const POLL_MS = 20;

const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/** The whole transactions that lie in a data folder's relay logs behind the point up to which it was executed. */
const relayedIn = (dataFolder: string): readonly RelayedTransaction[] => {
  const start = executedUpTo(textOf(join(dataFolder, 'relay-log.info')));
  if (start === undefined) return [];
  const files = textOf(join(dataFolder, 'relay.index'))
    .split('\n')
    .filter((path) => path !== '')
    .map((path) => basename(path));
  const first = files.indexOf(start.file);
  if (first === -1) return [];
  return files.slice(first).flatMap((file, index) => {
    const path = join(dataFolder, file);
    // A file is at most as large as `max_binlog_size` says, and all but the last few have been executed and removed.
    return existsSync(path) ? transactionsIn(file, readFileSync(path), index === 0 ? start.position : 0) : [];
  });
};

const positionsOf = async (connection: Connection) => {
  const sql = 'SELECT @@GLOBAL.gtid_slave_pos AS replicated, @@GLOBAL.gtid_binlog_pos AS logged';
  const row = (await rowsOf(connection, sql))[0];
  return { replicated: String(row?.['replicated'] ?? ''), logged: String(row?.['logged'] ?? '') };
};

/** Executes the transactions from `first` to `last`; undefined when that went well, otherwise what is wrong. */
const execute = async (
  clock: Clock,
  connection: Connection,
  first: RelayedTransaction,
  last: RelayedTransaction,
  signal: AbortSignal | undefined,
): Promise<string | undefined> => {
  // By file and position: only so does the server keep the log.
  await connection.query('CHANGE MASTER TO MASTER_USE_GTID = no, RELAY_LOG_FILE = ?, RELAY_LOG_POS = ?', [
    first.file,
    first.position,
  ]);
  await connection.query('START SLAVE SQL_THREAD');
  const answer = await pollUntil({
    clock,
    everyMs: POLL_MS,
    withinMs: EXECUTE_MS,
    signal,
    probe: async () => {
      if (includes((await positionsOf(connection)).replicated, last.gtid)) return 'executed';
      const state = (await rowsOf(connection, 'SHOW SLAVE STATUS'))[0];
      return state?.['Slave_SQL_Running'] === 'No' ? String(state['Last_SQL_Error']) : undefined;
    },
  });
  await connection.query('STOP SLAVE');
  if (answer === 'executed') return undefined;
  return answer === 'late' ? `it takes longer than ${EXECUTE_MS} ms` : answer;
};

/**
 * Executes what a replica had received and acknowledged, but not executed, when it ended. Called after its start and
 * before it follows a primary. Two things that MariaDB 10.11.19 does with MASTER_USE_GTID make it necessary:
 *
 * - A restarted replica throws its relay logs away, even on START SLAVE SQL_THREAD alone, and asks the primary again.
 *   If the primary is gone for good, acknowledged transactions are then on no node.
 * - A schema change is in the replica's own binary log before its number is noted as replicated. Killed between the
 *   two, the replica asks for it again and stops for ever with "out-of-order sequence number".
 *
 * @returns how many transactions were executed.
 * @throws {LocalStackError} `replication_broken` when they cannot be executed.
 */
export const executeRelayLog = async (
  clock: Clock,
  name: string,
  connection: Connection,
  dataFolder: string,
  signal?: AbortSignal,
): Promise<number> => {
  const { replicated, logged } = await positionsOf(connection);
  const received = relayedIn(dataFolder).filter(({ gtid }) => !includes(replicated, gtid));
  // What was received and stands in the own binary log has been executed (a schema change that crash recovery brought
  // to its end stands there under this node's number, but in the same place). Only of what was received: a node whose
  // own writes went their own way must not be taken for one that has caught up.
  const executed = received.filter(({ gtid }) => includes(logged, gtid)).at(-1);
  if (executed !== undefined) {
    await connection.query('SET GLOBAL gtid_slave_pos = ?', [advancedTo(replicated, executed.gtid)]);
  }
  const waiting = received.filter(({ gtid }) => !includes(logged, gtid));
  const [first, last] = [waiting[0], waiting.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const problem = await execute(clock, connection, first, last, signal);
  if (problem === undefined) return waiting.length;
  throw new LocalStackError(
    'replication_broken',
    `${name} cannot execute ${waiting.length} transactions that it has received: ${problem}`,
  );
};
