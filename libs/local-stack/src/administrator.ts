import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Account } from './accounts.ts';

const CONNECT_MS = 2_000;

/** Opens a connection as administrator over a node's unix socket, lends it to `work` and closes it. */
export const asAdministrator = async <T>(
  way: { readonly socket: string; readonly administrator: Account },
  work: (connection: Connection) => Promise<T>,
): Promise<T> => {
  const connection = await createConnection({
    socketPath: way.socket,
    user: way.administrator.user,
    password: way.administrator.password.reveal(),
    connectTimeout: CONNECT_MS,
    supportBigNumbers: true,
    bigNumberStrings: true,
  });
  // An error between two statements (the server is killed) is told by the next statement.
  connection.on('error', () => undefined);
  try {
    const result = await work(connection);
    await connection.end();
    return result;
  } catch (error) {
    // Ending politely would wait for a server that may be gone.
    connection.destroy();
    throw error;
  }
};

/** The rows of a query. */
export const rowsOf = async (connection: Connection, sql: string): Promise<readonly RowDataPacket[]> => {
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return rows;
};
