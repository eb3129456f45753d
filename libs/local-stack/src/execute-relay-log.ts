import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import { rowsOf, run } from './administrator.ts';
import { awaitExecuted, type LongWait } from './await-executed.ts';
import { gtidText } from './gtid-history.ts';
import { LocalStackError } from './local-stack-error.ts';
import { advancedTo, executedUpTo, includes, type RelayedTransaction, transactionsIn } from './relay-log.ts';

/** The most that executing may take altogether, for callers that need a number: some millions of transactions. */
export const EXECUTE_MS_MAX = 30 * 60_000;

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
  name: string,
  connection: Connection,
  { first, last }: { readonly first: RelayedTransaction; readonly last: RelayedTransaction },
  wait: LongWait,
): Promise<string | undefined> => {
  // By file and position: only so does the server keep the log. The place in the primary's log is not used, for nothing
  // is received; without any name a server that executes in parallel compares an empty one and dies of signal 11.
  await run(
    connection,
    `CHANGE MASTER TO MASTER_USE_GTID = no, MASTER_LOG_FILE = 'binlog.000001', MASTER_LOG_POS = 4,
       RELAY_LOG_FILE = ?, RELAY_LOG_POS = ?`,
    [first.file, first.position],
  );
  await run(connection, 'START SLAVE SQL_THREAD');
  const problem = await awaitExecuted(name, connection, gtidText(last.gtid), wait);
  await run(connection, 'STOP SLAVE');
  // What was not executed must not be thrown away by whoever starts replication with numbers again.
  if (problem === undefined) await run(connection, 'CHANGE MASTER TO MASTER_USE_GTID = slave_pos');
  return problem;
};

/**
 * Executes what a replica had received and acknowledged, but not executed, when it ended. Called after its start and
 * before it follows a primary, and where it is to become one. Two things that MariaDB 10.11.19 does with MASTER_USE_GTID make it necessary:
 *
 * - A restarted replica throws its relay logs away, even on START SLAVE SQL_THREAD alone, and asks the primary again.
 *   If the primary is gone for good, acknowledged transactions are then on no node.
 * - A schema change is in the replica's own binary log before its number is noted as replicated. Killed between the
 *   two, the replica asks for it again and stops for ever with "out-of-order sequence number".
 *
 * It may take as long as it needs while it gets on, and is given up after 30 seconds without an advance.
 *
 * @param connection of a node whose two threads of replication are stopped.
 * @param onProgress gets a line for a person every two seconds.
 * @returns how many transactions were executed.
 * @throws {LocalStackError} `replication_broken` when they cannot be executed.
 */
export const executeRelayLog = async (
  clock: Clock,
  name: string,
  connection: Connection,
  dataFolder: string,
  signal?: AbortSignal,
  onProgress?: (line: string) => void,
): Promise<number> => {
  const { replicated, logged } = await positionsOf(connection);
  const received = relayedIn(dataFolder).filter(({ gtid }) => !includes(replicated, gtid));
  // What was received and stands in the own binary log has been executed (a schema change that crash recovery brought
  // to its end stands there under this node's number, but in the same place). Only of what was received: a node whose
  // own writes went their own way must not be taken for one that has caught up.
  const executed = received.filter(({ gtid }) => includes(logged, gtid)).at(-1);
  if (executed !== undefined) {
    await run(connection, 'SET GLOBAL gtid_slave_pos = ?', [advancedTo(replicated, executed.gtid)]);
  }
  const waiting = received.filter(({ gtid }) => !includes(logged, gtid));
  const [first, last] = [waiting[0], waiting.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const problem = await execute(name, connection, { first, last }, { clock, signal, onProgress });
  if (problem === undefined) return waiting.length;
  throw new LocalStackError(
    'replication_broken',
    `${name} cannot execute ${waiting.length} transactions that it has received: ${problem}`,
  );
};
