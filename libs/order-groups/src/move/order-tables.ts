import type { GroupTag } from '@tillmesh/domain';
import { text } from '../columns.ts';
import type { Connection, Deadline, Statement } from '../connection.ts';
import { MoveRefused } from './move-refused.ts';

/** The tables whose rows belong to an order and go with it. */
export const ORDER_TABLES = ['payment', 'attempt', 'refund', 'trajectory', 'person_statement'] as const;
export type OrderTable = (typeof ORDER_TABLES)[number];

/** The columns of each table that go along: all but those that every group counts by itself. */
export type OrderColumns = Readonly<Record<OrderTable, readonly string[]>>;

/** Something of each table. */
export const perTable = <T>(of: (table: OrderTable) => T): Record<OrderTable, T> =>
  Object.fromEntries(ORDER_TABLES.map((table) => [table, of(table)])) as Record<OrderTable, T>;

/** A count for each table, at nothing. */
export const noRows = (): Record<OrderTable, number> => perTable(() => 0);

/** In what order rows of one order are read and written: the trajectory's own is that of its events. */
export const ROW_ORDER: Readonly<Record<OrderTable, string>> = {
  payment: 'order_no',
  attempt: 'order_no, attempt_no',
  refund: 'order_no, refund_no',
  trajectory: 'order_no, id',
  person_statement: 'order_no, item, statement_no',
};

const SELECT_COLUMNS: Statement = {
  summary: 'SELECT columns',
  sql: `SELECT TABLE_NAME AS table_name, COLUMN_NAME AS column_name FROM information_schema.COLUMNS
        WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION`,
  text: true,
};

const isCounter = (table: string, column: string): boolean => table === 'trajectory' && column === 'id';

/** What columns a group's tables have, as the group itself says: a column that is added later goes along without more ado. */
export const readOrderColumns = async (connection: Connection, deadline: Deadline): Promise<OrderColumns> => {
  const { rows } = await connection.run(SELECT_COLUMNS, [], deadline);
  return perTable((table) =>
    rows
      .filter((row) => text(row, 'table_name') === table)
      .map((row) => text(row, 'column_name'))
      .filter((column) => !isCounter(table, column)),
  );
};

/**
 * The columns of both groups, where they are the same.
 *
 * @throws {MoveRefused} where they differ.
 */
export const sameColumns = (source: OrderColumns, target: OrderColumns): OrderColumns => {
  for (const table of ORDER_TABLES) {
    const missing = source[table].filter((column) => !target[table].includes(column));
    const more = target[table].filter((column) => !source[table].includes(column));
    if (missing.length + more.length > 0 || source[table].length === 0) {
      throw new MoveRefused(
        `the two groups have not the same schema (${table}: ${[...missing, ...more].join(', ') || 'missing'}); bring all groups to one version first: npm run groups -- schema --migrate`,
      );
    }
  }
  return source;
};

/**
 * A condition that only orders of these groups fulfil: the tag stands in the number. A successor holds others besides.
 *
 * @param column a column with order numbers.
 */
export const tagIn = (tags: readonly GroupTag[], column = 'order_no'): string =>
  `((${column} >> 15) & 127) IN (${tags.join(', ')})`;
