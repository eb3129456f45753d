import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Account, LocalNode } from '../src/index.ts';

/** Opens a connection as a service would, over TCP, lends it and closes it. */
export const asAccount = async <T>(
  node: LocalNode,
  account: Account,
  work: (connection: Connection) => Promise<T>,
): Promise<T> => {
  const connection = await createConnection({
    host: node.host,
    port: node.port,
    user: account.user,
    password: account.password.reveal(),
    database: 'tillmesh',
  });
  connection.on('error', () => undefined);
  try {
    return await work(connection);
  } finally {
    connection.destroy();
  }
};

/** The values of a query's first column. */
export const valuesOf = async (connection: Connection, sql: string): Promise<readonly unknown[]> => {
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return rows.map((row) => Object.values(row)[0] as unknown);
};

/** The values of the first row by their names. */
export const rowOf = async (connection: Connection, sql: string): Promise<Readonly<Record<string, unknown>>> => {
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return rows[0] ?? {};
};
