import { optionalText } from './columns.ts';
import type { Statement } from './connection.ts';
import type { Dialect } from './dialect.ts';
import { readNodeFacts } from './node-facts.ts';

const REPLICA_STATUS: Statement = { summary: 'SHOW REPLICA STATUS', sql: 'SHOW REPLICA STATUS', text: true };
const GTID_WAIT: Statement = {
  summary: 'SELECT gtid wait',
  sql: 'SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?) AS timed_out',
};

/** MySQL 8.4 and later. */
export const mysql: Dialect = {
  factsOf: readNodeFacts('source'),
  drain: async (connection, waitMs, deadline) => {
    const { rows } = await connection.run(REPLICA_STATUS, [], deadline);
    const received = optionalText(rows[0], 'Retrieved_Gtid_Set') ?? '';
    if (received === '') return true;
    // No time at all means for ever here, while MariaDB would look once.
    const seconds = Math.max(1, waitMs) / 1_000;
    const waited = await connection.run(GTID_WAIT, [received, seconds], deadline);
    return optionalText(waited.rows[0], 'timed_out') === '0';
  },
};
