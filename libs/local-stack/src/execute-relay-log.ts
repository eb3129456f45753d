import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import { rowsOf } from './administrator.ts';
import { LocalStackError } from './local-stack-error.ts';
import { executedUpTo, includes, type RelayedTransaction, transactionsIn } from './relay-log.ts';
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

const positionOf = async (connection: Connection): Promise<string> =>
  String((await rowsOf(connection, 'SELECT @@GLOBAL.gtid_slave_pos AS position'))[0]?.['position'] ?? '');

/**
 * Executes what a replica had received and acknowledged, but not executed, when it ended. Called after its start and
 * before it follows a primary.
 *
 * Without this such transactions would be lost here: with MASTER_USE_GTID a restarted MariaDB throws its relay logs
 * away, even on START SLAVE SQL_THREAD alone, and asks the primary again (seen on 10.11.19). If the primary is gone
 * for good, they are then on no node, although the client was told that they are safe.
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
  const position = await positionOf(connection);
  const waiting = relayedIn(dataFolder).filter(({ gtid }) => !includes(position, gtid));
  const first = waiting[0];
  const last = waiting.at(-1);
  if (first === undefined || last === undefined) return 0;
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
      if (includes(await positionOf(connection), last.gtid)) return 'executed';
      const state = (await rowsOf(connection, 'SHOW SLAVE STATUS'))[0];
      return state?.['Slave_SQL_Running'] === 'No' ? String(state['Last_SQL_Error']) : undefined;
    },
  });
  await connection.query('STOP SLAVE');
  if (answer === 'executed') return waiting.length;
  throw new LocalStackError(
    'replication_broken',
    `${name} cannot execute ${waiting.length} transactions that it has received: ${answer === 'late' ? 'it takes too long' : answer}`,
  );
};
