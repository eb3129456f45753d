import { optionalText, text } from './columns.ts';
import type { Connection, Deadline, Statement } from './connection.ts';
import type { NodeFacts } from './dialect.ts';

const READ_ONLY: Statement = { summary: 'SELECT read_only', sql: 'SELECT @@global.read_only AS read_only' };

/** Reads what a server says of itself; MariaDB calls the acknowledged side `master`, MySQL `source`. */
export const readNodeFacts =
  (side: 'master' | 'source') =>
  async (connection: Connection, deadline: Deadline): Promise<NodeFacts> => {
    const name = (what: string) => `rpl_semi_sync_${side}_${what}`;
    const names = [name('status'), name('clients'), name('no_tx')];
    const semiSync: Statement = {
      summary: 'SHOW STATUS semi-sync',
      sql: `SHOW GLOBAL STATUS WHERE Variable_name IN (${names.map((each) => `'${each}'`).join(', ')})`,
      text: true,
    };
    const readOnly = await connection.run(READ_ONLY, [], deadline);
    const { rows } = await connection.run(semiSync, [], deadline);
    const status = new Map(rows.map((row) => [text(row, 'Variable_name').toLowerCase(), text(row, 'Value')]));
    return {
      readOnly: optionalText(readOnly.rows[0], 'read_only') !== '0',
      semiSyncOn: status.get(name('status')) === 'ON',
      semiSyncClients: Number(status.get(name('clients')) ?? 0),
      unacknowledgedCommits: Number(status.get(name('no_tx')) ?? 0),
    };
  };
