import type { Clock } from '@tillmesh/clock';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Account } from './accounts.ts';
import { within } from './waiting.ts';

const CONNECT_MS = 2_000;
const GOODBYE_MS = 500;

/** A server has not answered in time; whether it has done what it was asked is not known. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

/** Cuts at once. `destroy` of the connection would only half-close it, and a statement would go on waiting. */
const cut = (connection: Connection): void => {
  const { stream } = (connection as unknown as { connection: { stream: { destroy(): void } } }).connection;
  stream.destroy();
};

/** The answer of the work, or `late` when its time is over. */
const limited = async <T>(clock: Clock, work: Promise<T>, untilMs: number): Promise<{ readonly value: T } | 'late'> => {
  const answered = work.then((value) => ({ value }));
  return within(clock, Math.max(0, untilMs - clock.monotonicMs()), answered);
};

/**
 * Opens a connection as administrator over a node's unix socket, lends it to `work` and closes it.
 *
 * @param withinMs for connection and work together; without it only connecting has a limit (2 s).
 * @throws {NoAnswerError} when that time is over. The connection is then cut.
 */
export const asAdministrator = async <T>(
  way: { readonly socket: string; readonly administrator: Account; readonly clock: Clock },
  work: (connection: Connection) => Promise<T>,
  withinMs?: number,
): Promise<T> => {
  const { clock } = way;
  const beganMs = clock.monotonicMs();
  const connection = await createConnection({
    socketPath: way.socket,
    user: way.administrator.user,
    password: way.administrator.password.reveal(),
    connectTimeout: Math.min(CONNECT_MS, withinMs ?? CONNECT_MS),
    supportBigNumbers: true,
    bigNumberStrings: true,
  });
  // An error between two statements (the server is killed) is told by the next statement.
  connection.on('error', () => undefined);
  try {
    const answer =
      withinMs === undefined
        ? { value: await work(connection) }
        : await limited(clock, work(connection), beganMs + withinMs);
    if (answer === 'late') throw new NoAnswerError(`no answer within ${withinMs} ms`);
    // A server that has been frozen since its answer does not say goodbye.
    await within(
      clock,
      GOODBYE_MS,
      connection.end().catch(() => undefined),
    );
    return answer.value;
  } finally {
    cut(connection);
  }
};

// Far more than any of our questions takes. A server may be frozen between two of them.
const ROWS_MS = 10_000;
// Stopping a replica waits for the transaction that it is just executing, which may be a schema change.
const STATEMENT_MS = 30_000;

/** The rows of a query; fails when they are not there within 10 seconds. */
export const rowsOf = async (connection: Connection, sql: string): Promise<readonly RowDataPacket[]> => {
  const [rows] = await connection.query<RowDataPacket[]>({ sql, timeout: ROWS_MS });
  return rows;
};

/** Runs a statement; fails when it has not ended within 30 seconds. */
export const run = async (connection: Connection, sql: string, values: readonly unknown[] = []): Promise<void> => {
  await connection.query({ sql, timeout: STATEMENT_MS, values: [...values] });
};
