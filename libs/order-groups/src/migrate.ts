import type { Clock } from '@tillmesh/clock';
import { optionalText, whole } from './columns.ts';
import type { Account, Connection, Deadline, Statement } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import type { GroupDescription } from './group-map.ts';
import { makePartitions } from './partitions.ts';
import { connectToPrimary } from './primary-connection.ts';
import { dropOldDays, type RetentionReport } from './retention.ts';
import { MIGRATIONS, SCHEMA_VERSION } from './schema.ts';

export type MigrationReport = {
  readonly tag: number;
  readonly from: number;
  readonly to: number;
  /** Days that got their partition. */
  readonly partitions: number;
  /** What of old days went; undefined where none are to go. */
  readonly retention: RetentionReport | undefined;
};

const LOCK: Statement = {
  summary: 'SELECT lock',
  sql: "SELECT GET_LOCK('tillmesh_migration', 30) AS locked",
  text: true,
};
const SCHEMA_TABLE: Statement = {
  summary: 'CREATE TABLE schema_step',
  sql: `CREATE TABLE IF NOT EXISTS schema_step (
    version INT UNSIGNED NOT NULL,
    step INT UNSIGNED NOT NULL,
    done_at BIGINT NOT NULL,
    PRIMARY KEY (version, step)
  ) ENGINE=InnoDB`,
  text: true,
};
const STEPS_DONE: Statement = {
  summary: 'SELECT schema_step',
  sql: 'SELECT version, step FROM schema_step',
  text: true,
};
const STEP_DONE: Statement = {
  summary: 'INSERT schema_step',
  sql: 'INSERT INTO schema_step (version, step, done_at) VALUES (?, ?, ?)',
};
// What a step says that was done before and not noted: DDL commits by itself, so a crash can fall between the two.
const DONE_BEFORE: ReadonlySet<string> = new Set(['ER_TABLE_EXISTS_ERROR', 'ER_TRG_ALREADY_EXISTS', 'ER_DUP_ENTRY']);

/**
 * Brings one group to the latest schema, makes the partitions of the days to come and drops those whose time is over. Forward only,
 * resumable after a crash at any point; two at once wait for each other.
 *
 * @param retentionDays days that are kept before today; undefined: all.
 * @throws {DatabaseError}
 */
export const migrateGroup = async (options: {
  readonly group: GroupDescription;
  readonly account: Account;
  readonly retentionDays?: number | undefined;
  readonly clock: Clock;
}): Promise<MigrationReport> => {
  const { group, account, retentionDays, clock } = options;
  // A step may rebuild a large table; nobody pays while waiting for it.
  const deadline: Deadline = { atMs: clock.monotonicMs() + 3_600_000 };
  const connection = await connectToPrimary(group, account, clock, deadline);
  try {
    const { rows: locked } = await connection.run(LOCK, [], deadline);
    if (optionalText(locked[0], 'locked') !== '1') throw new DatabaseError('TILLMESH_MIGRATION_LOCKED', 'not_written');
    await connection.run(SCHEMA_TABLE, [], deadline);
    const { rows } = await connection.run(STEPS_DONE, [], deadline);
    const done = new Set(rows.map((row) => `${whole(row, 'version')}.${whole(row, 'step')}`));
    const complete = MIGRATIONS.filter(({ version, statements }) => done.has(`${version}.${statements.length - 1}`));
    const from = complete.at(-1)?.version ?? 0;
    for (const { version, statements } of MIGRATIONS) {
      for (const [step, statement] of statements.entries()) {
        if (done.has(`${version}.${step}`)) continue;
        await runOnce(connection, statement, deadline);
        await connection.run(STEP_DONE, [version, step, clock.nowMs()], deadline);
      }
    }
    const partitions = await makePartitions(connection, clock.nowMs(), deadline);
    const retention =
      retentionDays === undefined ? undefined : await dropOldDays(connection, { retentionDays, deadline, clock });
    return { tag: group.tag, from, to: SCHEMA_VERSION, partitions, retention };
  } finally {
    connection.cut();
  }
};

const runOnce = async (connection: Connection, statement: Statement, deadline: Deadline): Promise<void> => {
  try {
    await connection.run(statement, [], deadline);
  } catch (error) {
    if (!(error instanceof DatabaseError) || !DONE_BEFORE.has(error.code)) throw error;
  }
};
