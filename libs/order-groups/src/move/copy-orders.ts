import { assert } from '@tillmesh/domain';
import { big } from '../columns.ts';
import type { Connection, Deadline, Parameter, Row, Statement } from '../connection.ts';
import { transaction } from '../transaction.ts';
import { keepNumbers, SELECT_HELD_NUMBERS_OF } from './keep-numbers.ts';
import { type OrderRange, within } from './order-digests.ts';
import { noRows, ORDER_TABLES, type OrderColumns, type OrderTable, perTable, ROW_ORDER } from './order-tables.ts';

/** Everything that the source holds of some orders. */
export type OrderRows = {
  readonly keys: readonly bigint[];
  readonly rows: Readonly<Record<OrderTable, readonly Row[]>>;
  /** Those among them that hold their merchant's number. */
  readonly holders: readonly bigint[];
};

/** Rows that a table has more than before; of all tables of orders. */
export type RowCounts = Readonly<Record<OrderTable, number>>;

/** Whether the syncer is to find what is due: only where the successor is about to answer for the orders. */
export type Stage = 'ahead' | 'last';

/** Statements are prepared for these counts of rows alone. */
const SIZES = [64, 8, 1] as const;

const quoted = (columns: readonly string[]): string => columns.map((column) => `\`${column}\``).join(', ');

const selectRows = (table: OrderTable, columns: readonly string[], range: OrderRange): Statement => ({
  summary: `SELECT ${table} to move`,
  sql: `SELECT ${quoted(columns)} FROM ${table} WHERE ${within(range)} ORDER BY ${ROW_ORDER[table]}`,
  text: true,
});

const deleteRows = (table: OrderTable, range: OrderRange): Statement => ({
  summary: `DELETE ${table} copies`,
  sql: `DELETE FROM ${table} WHERE ${within(range)}`,
  text: true,
});

const insertRows = (table: OrderTable, columns: readonly string[], count: number): Statement => ({
  summary: `INSERT ${table} copies`,
  sql: `INSERT INTO ${table} (${quoted(columns)})
        VALUES ${Array.from({ length: count }, () => `(${columns.map(() => '?').join(', ')})`).join(', ')}`,
});

// Triggers that write what a new order brings about stay quiet, and no gap is locked in which live orders are written.
const MOVING: Statement = { summary: 'SET moving', sql: 'SET @tillmesh_moving = 1', text: true };
const READ_COMMITTED: Statement = {
  summary: 'SET isolation',
  sql: 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  text: true,
};

/** Reads orders with all that belongs to them, as of one moment. */
export const readOrders = (
  connection: Connection,
  columns: OrderColumns,
  range: OrderRange,
  deadline: Deadline,
): Promise<OrderRows> =>
  transaction(connection, deadline, async () => {
    const rows = perTable((): readonly Row[] => []);
    for (const table of ORDER_TABLES)
      rows[table] = (await connection.run(selectRows(table, columns[table], range), [], deadline)).rows;
    const { rows: holders } = await connection.run(SELECT_HELD_NUMBERS_OF(range), [], deadline);
    const value: OrderRows = {
      keys: rows.payment.map((row) => big(row, 'order_no')),
      rows,
      holders: holders.map((row) => big(row, 'order_no')),
    };
    return { commit: false, value };
  });

const parameterOf = (row: Row, column: string, stage: Stage): Parameter => {
  const value = row[column];
  if (column === 'next_check_at' && stage === 'ahead') return null;
  // 64-bit numbers come as text; the server reads them as what the column is.
  if (value === null || typeof value === 'string' || typeof value === 'number' || Buffer.isBuffer(value)) return value;
  assert(false, `column ${column} holds something that cannot be copied`);
  return null;
};

const insertAll = async (
  connection: Connection,
  table: OrderTable,
  columns: readonly string[],
  { rows, stage, deadline }: { readonly rows: readonly Row[]; readonly stage: Stage; readonly deadline: Deadline },
): Promise<void> => {
  for (let begin = 0; begin < rows.length; ) {
    const size = SIZES.find((candidate) => candidate <= rows.length - begin) ?? 1;
    const values = rows
      .slice(begin, begin + size)
      .flatMap((row) => columns.map((column) => parameterOf(row, column, stage)));
    await connection.run(insertRows(table, columns, size), values, deadline);
    begin += size;
  }
};

/**
 * Puts orders at the target in place of what it held of them, in one commit. Doing it twice comes to the same.
 *
 * @param also runs in the same commit.
 * @returns by how much each table has grown.
 */
export const writeOrders = async (
  connection: Connection,
  columns: OrderColumns,
  orders: OrderRows,
  {
    stage,
    also,
    deadline,
  }: {
    readonly stage: Stage;
    readonly also: () => Promise<void>;
    readonly deadline: Deadline;
  },
): Promise<RowCounts> => {
  await connection.run(READ_COMMITTED, [], deadline);
  await connection.run(MOVING, [], deadline);
  const range = { keys: orders.keys };
  return transaction(connection, deadline, async () => {
    const grown = noRows();
    for (const table of ORDER_TABLES) {
      const { affectedRows } = await connection.run(deleteRows(table, range), [], deadline);
      await insertAll(connection, table, columns[table], { rows: orders.rows[table], stage, deadline });
      grown[table] = orders.rows[table].length - affectedRows;
    }
    await keepNumbers(connection, orders, deadline);
    await also();
    return { commit: true, value: grown };
  });
};
