import { DAY_MS, ORDER_EPOCH_MS } from '@tillmesh/domain';
import { optionalText, text } from './columns.ts';
import type { Connection, Deadline, Statement } from './connection.ts';

/** What comes behind the last day that has a partition of its own. */
export const LATER_PARTITION = 'later';

/** The tables whose rows go by the day of their order number. */
export const DAILY_TABLES = ['payment', 'attempt', 'refund', 'trajectory', 'person_statement'] as const;

/** Days that have their partition in advance: so long may nobody run the command that makes them. */
export const DAYS_AHEAD = 35;

/** Days since 2026-01-01 UTC, as order numbers count them. */
export const dayOf = (wallMs: number): number => Math.floor((wallMs - ORDER_EPOCH_MS) / DAY_MS);

/** The partition of a day. */
export const partitionOf = (day: number): string => `d${day}`;

// Order keys are (day << 49) and more: the first key of the next day ends this one.
const endOf = (day: number): bigint => BigInt(day + 1) << 49n;

const SELECT_PARTITIONS: Statement = {
  summary: 'SELECT partitions',
  sql: `SELECT TABLE_NAME AS table_name, PARTITION_NAME AS partition_name FROM information_schema.PARTITIONS
        WHERE TABLE_SCHEMA = DATABASE() AND PARTITION_NAME IS NOT NULL`,
  text: true,
};

const alter = (sql: string): Statement => ({ summary: 'ALTER TABLE partitions', sql, text: true });

/** The days that have a partition of their own, by table, in order. A table that a later version of the schema brings is not among them. */
export const partitionedDays = async (
  connection: Connection,
  deadline: Deadline,
): Promise<ReadonlyMap<string, readonly number[]>> => {
  const { rows } = await connection.run(SELECT_PARTITIONS, [], deadline);
  const present = new Set(rows.map((row) => text(row, 'table_name')));
  const days = new Map<string, number[]>(
    DAILY_TABLES.filter((table) => present.has(table)).map((table) => [table, []]),
  );
  for (const row of rows) {
    const name = optionalText(row, 'partition_name') ?? '';
    if (/^d\d+$/.test(name)) days.get(text(row, 'table_name'))?.push(Number(name.slice(1)));
  }
  for (const list of days.values()) list.sort((a, b) => a - b);
  return days;
};

/**
 * Makes the partitions from yesterday to DAYS_AHEAD days from now, as far as they are missing. Rows that came before their partition
 * are moved into it.
 *
 * @returns how many were made.
 */
export const makePartitions = async (connection: Connection, nowMs: number, deadline: Deadline): Promise<number> => {
  const today = dayOf(nowMs);
  let made = 0;
  for (const [table, days] of await partitionedDays(connection, deadline)) {
    const from = Math.max(today - 1, (days.at(-1) ?? -1) + 1);
    const missing = Array.from({ length: Math.max(0, today + DAYS_AHEAD - from + 1) }, (_, index) => from + index);
    if (missing.length === 0) continue;
    const list = missing.map((day) => `PARTITION ${partitionOf(day)} VALUES LESS THAN (${endOf(day)})`);
    const later = `PARTITION ${LATER_PARTITION} VALUES LESS THAN MAXVALUE`;
    await connection.run(
      alter(`ALTER TABLE ${table} REORGANIZE PARTITION ${LATER_PARTITION} INTO (${[...list, later].join(', ')})`),
      [],
      deadline,
    );
    made += missing.length;
  }
  return made;
};

/**
 * Drops every day before this one, at once and whatever its rows are; retention.ts decides which.
 *
 * @param firstKept the first day that stays.
 * @returns how many partitions were dropped.
 */
export const dropPartitions = async (
  connection: Connection,
  firstKept: number,
  deadline: Deadline,
): Promise<number> => {
  let dropped = 0;
  for (const [table, days] of await partitionedDays(connection, deadline)) {
    const old = days.filter((day) => day < firstKept);
    if (old.length === 0) continue;
    await connection.run(alter(`ALTER TABLE ${table} DROP PARTITION ${old.map(partitionOf).join(', ')}`), [], deadline);
    dropped += old.length;
  }
  return dropped;
};

/** Numbers below this key lie before the day. */
export const firstKeyOf = (day: number): bigint => endOf(day - 1);

/** How many days from now on have their partition in every table; 0: today is the last, negative: today has none. */
export const daysAhead = (days: ReadonlyMap<string, readonly number[]>, nowMs: number): number =>
  Math.min(...[...days.values()].map((list) => (list.at(-1) ?? 0) - dayOf(nowMs)));
