import type { Clock } from '@tillmesh/clock';
import { optionalText } from './columns.ts';
import { type Account, type Connection, type Deadline, openConnection, type Statement } from './connection.ts';
import { DatabaseError, toDatabaseError } from './database-error.ts';
import type { Endpoint } from './group-map.ts';

const READ_ONLY: Statement = { summary: 'SELECT read_only', sql: 'SELECT @@global.read_only AS read_only', text: true };

/** Whether the server takes writes. @throws {DatabaseError} */
export const isWritable = async (connection: Connection, deadline: Deadline): Promise<boolean> =>
  optionalText((await connection.run(READ_ONLY, [], deadline)).rows[0], 'read_only') === '0';

/**
 * Connects to the one of a group's nodes that takes writes; for whoever has no pools.
 *
 * @throws {DatabaseError} of the last node where none takes writes.
 */
export const connectToPrimary = async (
  endpoints: readonly Endpoint[],
  account: Account,
  clock: Clock,
  deadline: Deadline,
): Promise<Connection> => {
  let last = new DatabaseError('TILLMESH_NO_PRIMARY', 'not_written');
  for (const endpoint of endpoints) {
    let connection: Connection | undefined;
    try {
      connection = await openConnection(endpoint, account, deadline, clock);
      if (await isWritable(connection, deadline)) return connection;
    } catch (error) {
      last = toDatabaseError(error, false);
    }
    connection?.cut();
  }
  throw last;
};
