import type { Clock } from '@tillmesh/clock';
import { optionalText } from './columns.ts';
import { type Account, type Connection, type Deadline, openConnection, type Statement } from './connection.ts';
import { DatabaseError, toDatabaseError } from './database-error.ts';
import type { GroupDescription } from './group-map.ts';

const READ_ONLY: Statement = { summary: 'SELECT read_only', sql: 'SELECT @@global.read_only AS read_only', text: true };

/**
 * Connects to the node of a group that takes writes; for commands, which have no pools.
 *
 * @throws {DatabaseError} of the last node where none takes writes.
 */
export const connectToPrimary = async (
  group: GroupDescription,
  account: Account,
  clock: Clock,
  deadline: Deadline,
): Promise<Connection> => {
  let last = new DatabaseError('TILLMESH_NO_PRIMARY', 'not_written');
  for (const endpoint of group.endpoints) {
    try {
      const connection = await openConnection(endpoint, account, deadline, clock);
      const { rows } = await connection.run(READ_ONLY, [], deadline);
      if (optionalText(rows[0], 'read_only') === '0') return connection;
      connection.cut();
    } catch (error) {
      last = toDatabaseError(error, false);
    }
  }
  throw last;
};
