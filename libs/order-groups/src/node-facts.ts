import { optionalText, text } from './columns.ts';
import type { Connection, Deadline, Row, Statement } from './connection.ts';
import type { NodeFacts } from './dialect.ts';
import { type Grant, parseGrants } from './node-grants.ts';
import { SETTINGS, settingsOf } from './node-settings.ts';

const SHOW_GRANTS: Statement = { summary: 'SHOW GRANTS', sql: 'SHOW GRANTS FOR CURRENT_USER', text: true };

const show = (what: 'STATUS' | 'VARIABLES', names: readonly string[]): Statement => ({
  summary: `SHOW ${what}`,
  sql: `SHOW GLOBAL ${what} WHERE Variable_name IN (${names.map((name) => `'${name}'`).join(', ')})`,
  text: true,
});

const valuesOf = (rows: readonly Row[]): ReadonlyMap<string, string> =>
  new Map(rows.map((row) => [text(row, 'Variable_name').toLowerCase(), text(row, 'Value')]));

const grantsOf = (rows: readonly Row[]): readonly Grant[] =>
  parseGrants(rows.map((row) => optionalText({ line: Object.values(row)[0] }, 'line') ?? ''));

/** Reads what a server says of itself; MariaDB calls the acknowledged side `master`, MySQL `source`. */
export const readNodeFacts = (side: 'master' | 'source') => {
  const name = (what: string) => `rpl_semi_sync_${side}_${what}`;
  const status = show('STATUS', [name('status'), name('clients'), name('no_tx')]);
  const variables = show('VARIABLES', ['read_only', ...SETTINGS[side]]);

  return async (connection: Connection, deadline: Deadline): Promise<NodeFacts> => {
    const settings = valuesOf((await connection.run(variables, [], deadline)).rows);
    const counts = valuesOf((await connection.run(status, [], deadline)).rows);
    const grants = grantsOf((await connection.run(SHOW_GRANTS, [], deadline)).rows);
    return {
      settings: settingsOf(side, settings),
      grants,
      readOnly: settings.get('read_only') !== 'OFF',
      semiSyncOn: counts.get(name('status')) === 'ON',
      semiSyncClients: Number(counts.get(name('clients')) ?? 0),
      unacknowledgedCommits: Number(counts.get(name('no_tx')) ?? 0),
    };
  };
};
