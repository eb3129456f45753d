import type { Clock } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import { optionalText } from './columns.ts';
import type { Account, Connection, Deadline, Statement } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import type { GroupDescription } from './group-map.ts';
import { makePartitions } from './partitions.ts';
import { connectToPrimary } from './primary-connection.ts';
import { dropOldDays, type RetentionReport } from './retention.ts';
import { MIGRATIONS, SCHEMA_VERSION } from './schema.ts';
import { stepsDone, versionOf } from './schema-version.ts';

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
const STEP_DONE: Statement = {
  summary: 'INSERT schema_step',
  sql: 'INSERT INTO schema_step (version, step, done_at) VALUES (?, ?, ?)',
};
// What a step says that was done before and not noted: DDL commits by itself, so a crash can fall between the two.
const DONE_BEFORE: ReadonlySet<string> = new Set(['ER_TABLE_EXISTS_ERROR', 'ER_TRG_ALREADY_EXISTS', 'ER_DUP_ENTRY']);

/**
 * Brings one group to a version of the schema, makes the partitions of the days to come and drops those whose time is over. Forward only,
 * resumable after a crash at any point; two at once wait for each other.
 *
 * @param retentionDays days that are kept before today; undefined: all.
 * @throws {DatabaseError}
 */
export const migrateGroup = async (options: {
  readonly group: GroupDescription;
  readonly account: Account;
  readonly retentionDays?: number | undefined;
  /** The version to stop at; the latest unless told. */
  readonly to?: number;
  readonly clock: Clock;
}): Promise<MigrationReport> => {
  const { group, account, retentionDays, to = SCHEMA_VERSION, clock } = options;
  // A step may rebuild a large table; nobody pays while waiting for it.
  const deadline: Deadline = { atMs: clock.monotonicMs() + 3_600_000 };
  const connection = await connectToPrimary(group.endpoints, account, clock, deadline);
  try {
    const { rows: locked } = await connection.run(LOCK, [], deadline);
    if (optionalText(locked[0], 'locked') !== '1') throw new DatabaseError('TILLMESH_MIGRATION_LOCKED', 'not_written');
    await connection.run(SCHEMA_TABLE, [], deadline);
    const done = await stepsDone(connection, deadline);
    const from = versionOf(done);
    for (const { version, statements } of MIGRATIONS) {
      if (version > to) break;
      for (const [step, statement] of statements.entries()) {
        if (done.has(`${version}.${step}`)) continue;
        await runOnce(connection, statement, deadline);
        await connection.run(STEP_DONE, [version, step, clock.nowMs()], deadline);
      }
    }
    const partitions = await makePartitions(connection, clock.nowMs(), deadline);
    const retention =
      retentionDays === undefined ? undefined : await dropOldDays(connection, { retentionDays, deadline, clock });
    return { tag: group.tag, from, to: Math.max(from, to), partitions, retention };
  } finally {
    connection.cut();
  }
};

/**
 * Brings groups to the latest schema, one version after the other: no group gets a version before all have the one before. A group that
 * cannot be reached keeps the others from later versions alone. Run again after a crash or a failure it goes on where it was.
 *
 * @param retentionDays days that are kept before today; undefined: all.
 * @param onFailed without it the first failure is thrown.
 * @throws {DatabaseError} of the first group that could not be brought on, where nobody is told otherwise.
 */
export const migrateGroups = async (options: {
  readonly groups: readonly GroupDescription[];
  readonly account: Account;
  readonly retentionDays?: number | undefined;
  readonly clock: Clock;
  readonly onDone: (report: MigrationReport) => void;
  readonly onFailed?: (group: GroupDescription, error: unknown) => void;
}): Promise<void> => {
  const { groups, account, retentionDays, clock, onDone, onFailed } = options;
  const reached = new Map<GroupTag, number>();
  let haveAll = true;
  for (const { version } of MIGRATIONS) {
    const keep = version === SCHEMA_VERSION ? retentionDays : undefined;
    // While one lacks the version before, the others get no later one; what they have already is cared for.
    const these = haveAll ? groups : groups.filter(({ tag }) => (reached.get(tag) ?? 0) >= version);
    for (const group of these) {
      try {
        const report = await migrateGroup({ group, account, retentionDays: keep, to: version, clock });
        reached.set(group.tag, report.to);
        onDone(report);
      } catch (error) {
        if (onFailed === undefined) throw error;
        onFailed(group, error);
        haveAll = false;
      }
    }
  }
};

const runOnce = async (connection: Connection, statement: Statement, deadline: Deadline): Promise<void> => {
  try {
    await connection.run(statement, [], deadline);
  } catch (error) {
    if (!(error instanceof DatabaseError) || !DONE_BEFORE.has(error.code)) throw error;
  }
};
