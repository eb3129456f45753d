import { whole } from './columns.ts';
import type { Connection, Deadline, Statement } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import type { GroupClients } from './group-clients.ts';
import { MIGRATIONS, SCHEMA_VERSION } from './schema.ts';

const STEPS_DONE: Statement = {
  summary: 'SELECT schema_step',
  sql: 'SELECT version, step FROM schema_step',
  text: true,
};

/** Steps of the schema that a group has behind it, as `version.step`. Empty for a group without schema. */
export const stepsDone = async (connection: Connection, deadline: Deadline): Promise<ReadonlySet<string>> => {
  try {
    const { rows } = await connection.run(STEPS_DONE, [], deadline);
    return new Set(rows.map((row) => `${whole(row, 'version')}.${whole(row, 'step')}`));
  } catch (error) {
    if (error instanceof DatabaseError && error.code === 'ER_NO_SUCH_TABLE') return new Set();
    throw error;
  }
};

/** The latest version all of whose steps, and those of every version before, are done; 0 where there is none. */
export const versionOf = (done: ReadonlySet<string>): number => {
  let reached = 0;
  for (const { version, statements } of MIGRATIONS) {
    if (statements.some((_, step) => !done.has(`${version}.${step}`))) break;
    reached = version;
  }
  return reached;
};

/** The schema of a group. `undefined`: it does not answer. */
export type GroupSchema = { readonly tag: number; readonly version: number | undefined };

/** Asks every group for the version of its schema. */
export const readSchemas = (groups: GroupClients, deadline: Deadline): Promise<GroupSchema[]> =>
  Promise.all(
    groups.all().map(async (client) => {
      try {
        const { value } = await client.read(deadline, (connection, until) => stepsDone(connection, until));
        return { tag: client.tag, version: versionOf(value) };
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        return { tag: client.tag, version: undefined };
      }
    }),
  );

/** A group has an older schema than this program needs. */
export class SchemaBehind extends Error {
  override readonly name = 'SchemaBehind';
}

/**
 * All groups come to version n before programs that need n. A newer schema is right: it is only ever added to. A group that does not
 * answer cannot tell, and does not keep the others from taking orders.
 *
 * @throws {SchemaBehind} naming every group that is behind, and what to do.
 */
export const assertSchemas = (schemas: readonly GroupSchema[]): void => {
  const behind = schemas.filter(({ version }) => version !== undefined && version < SCHEMA_VERSION);
  if (behind.length === 0) return;
  const which = behind.map(({ tag, version }) => `group ${tag} has version ${version}`).join(', ');
  throw new SchemaBehind(
    `the schema is behind: ${which}, and this program needs ${SCHEMA_VERSION}. Bring all groups up to date first: npm run groups -- schema --migrate`,
  );
};
