import { optionalText } from './columns.ts';
import type { Statement } from './connection.ts';
import type { Dialect } from './dialect.ts';
import { readNodeFacts } from './node-facts.ts';

const REPLICA_STATUS: Statement = { summary: 'SHOW REPLICA STATUS', sql: 'SHOW REPLICA STATUS', text: true };
const GTID_WAIT: Statement = { summary: 'SELECT gtid wait', sql: 'SELECT MASTER_GTID_WAIT(?, ?) AS timed_out' };

/** MariaDB 10.11 and later. */
export const mariadb: Dialect = {
  factsOf: readNodeFacts('master'),
  drain: async (connection, waitMs, deadline) => {
    const { rows } = await connection.run(REPLICA_STATUS, [], deadline);
    const received = optionalText(rows[0], 'Gtid_IO_Pos') ?? '';
    if (received === '') return true;
    const waited = await connection.run(GTID_WAIT, [received, waitMs / 1_000], deadline);
    return optionalText(waited.rows[0], 'timed_out') === '0';
  },
};
