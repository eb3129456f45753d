import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import type { Accounts } from './accounts.ts';
import { rowsOf, run } from './administrator.ts';
import { latestOf, type NodeHistory } from './gtid-history.ts';
import { pollUntil } from './waiting.ts';

// What is said to MariaDB when another node becomes the primary, statement by statement; who says it when, and what
// that is good for, is in promote.ts.

/** Reads what a node has of its group's history. */
export const readHistory = async (
  node: { readonly name: string; readonly serverId: number },
  connection: Connection,
): Promise<NodeHistory> => {
  const sql = `SELECT @@GLOBAL.gtid_slave_pos AS replicated, @@GLOBAL.gtid_binlog_pos AS logged,
    @@GLOBAL.gtid_binlog_state AS origins`;
  const row = (await rowsOf(connection, sql))[0];
  const state = (await rowsOf(connection, 'SHOW SLAVE STATUS'))[0];
  return {
    name: node.name,
    serverId: node.serverId,
    replicated: String(row?.['replicated'] ?? ''),
    logged: String(row?.['logged'] ?? ''),
    origins: String(row?.['origins'] ?? ''),
    received: String(state?.['Gtid_IO_Pos'] ?? ''),
  };
};

const LOCK_WAIT_TIMEOUT = 1205;

/**
 * Makes a primary take no more writes. The server waits for those that are under way; they end as long as a replica
 * acknowledges them.
 *
 * @returns false when after a second some still wait for an acknowledgement: the server then stays as it was.
 */
export const takeReadOnly = async (connection: Connection): Promise<boolean> => {
  await run(connection, 'SET SESSION lock_wait_timeout = 1');
  try {
    await run(connection, 'SET GLOBAL read_only = ON');
    return true;
  } catch (error) {
    if ((error as { errno?: unknown }).errno === LOCK_WAIT_TIMEOUT) return false;
    throw error;
  }
};

const STATEMENTS_END_MS = 500;
const POLL_MS = 10;

/**
 * Ends the clients' connections to a server that is read-only, so that they look for the primary again. Statements that
 * are under way get half a second: a schema change that began before may still be waiting for its acknowledgement. Never
 * on a server that still takes writes: whoever is killed in that wait has written something that no replica has, and may
 * even be told OK.
 */
export const closeClients = async (clock: Clock, connection: Connection, accounts: Accounts): Promise<void> => {
  const users = [accounts.app, accounts.migrate, accounts.read].map(({ user }) => `'${user}'`).join(', ');
  const sql = `SELECT id, command FROM information_schema.processlist WHERE user IN (${users})`;
  const probe = async () => {
    const sessions = await rowsOf(connection, sql);
    return sessions.every(({ command }) => command === 'Sleep') ? 'all rest' : undefined;
  };
  await pollUntil({ clock, everyMs: POLL_MS, withinMs: STATEMENTS_END_MS, probe });
  for (const { id } of await rowsOf(connection, sql)) {
    // A connection that has ended meanwhile is no error.
    await run(connection, `KILL CONNECTION ${Number(id)}`).catch(() => undefined);
  }
};

/** Receives no more: from now on this node acknowledges nothing. It goes on executing what it has. */
export const stopReceiving = (connection: Connection): Promise<void> => run(connection, 'STOP SLAVE IO_THREAD');

/**
 * Undoes stopReceiving.
 *
 * @returns false when nothing was started: the executing thread had stopped as well, and starting replication in that
 *   state throws away what was received and not executed.
 */
export const receiveAgain = async (connection: Connection): Promise<boolean> => {
  const state = (await rowsOf(connection, 'SHOW SLAVE STATUS'))[0];
  if (state?.['Slave_SQL_Running'] !== 'Yes') return false;
  await run(connection, 'START SLAVE IO_THREAD');
  return true;
};

/** Ends replication for good. The node keeps its data and its place in the history, and its relay logs go. */
export const ceaseToBeReplica = async (connection: Connection): Promise<void> => {
  await run(connection, 'STOP SLAVE');
  await run(connection, 'RESET SLAVE ALL');
};

/**
 * Prepares a read-only server that was the primary for following another: it waits for no acknowledgement any more, and
 * counts what it wrote itself as replicated.
 */
export const ceaseToBePrimary = async (connection: Connection, history: NodeHistory): Promise<void> => {
  await run(connection, 'SET GLOBAL rpl_semi_sync_master_enabled = OFF');
  await run(connection, 'STOP SLAVE');
  await run(connection, 'SET GLOBAL gtid_slave_pos = ?', [latestOf(history.replicated, history.logged)]);
};
