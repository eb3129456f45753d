import type { GroupTag } from '@tillmesh/domain';
import { big, text, whole } from '../columns.ts';
import type { Connection, Deadline, Statement } from '../connection.ts';
import { noRows, ORDER_TABLES, type OrderTable, tagIn } from './order-tables.ts';

const keysOf = async (connection: Connection, statement: Statement, deadline: Deadline): Promise<bigint[]> =>
  (await connection.run(statement, [], deadline)).rows.map((row) => big(row, 'order_no'));

/** The orders after a key, in order; the next piece of a copy. */
export const nextOrders = (
  connection: Connection,
  { tags, after, limit }: { readonly tags: readonly GroupTag[]; readonly after: bigint; readonly limit: number },
  deadline: Deadline,
): Promise<bigint[]> =>
  keysOf(
    connection,
    {
      summary: 'SELECT next orders',
      sql: `SELECT order_no FROM payment WHERE order_no > ${after} AND ${tagIn(tags)} ORDER BY order_no LIMIT ${limit}`,
      text: true,
    },
    deadline,
  );

/** The orders that the trajectory speaks of behind one id, up to another. */
export const changedOrders = (
  connection: Connection,
  { tags, after, upTo }: { readonly tags: readonly GroupTag[]; readonly after: bigint; readonly upTo: bigint },
  deadline: Deadline,
): Promise<bigint[]> =>
  keysOf(
    connection,
    {
      summary: 'SELECT changed orders',
      sql: `SELECT DISTINCT order_no FROM trajectory WHERE id > ${after} AND id <= ${upTo} AND ${tagIn(tags)}`,
      text: true,
    },
    deadline,
  );

/** Those among these orders that have changed since, or whose schedule may change at any moment. */
export const stillMoving = async (
  connection: Connection,
  keys: readonly bigint[],
  watermark: bigint,
  deadline: Deadline,
): Promise<ReadonlySet<bigint>> => {
  const list = keys.join(', ');
  const open = (table: 'payment' | 'refund') =>
    `SELECT order_no FROM ${table} WHERE order_no IN (${list}) AND next_check_at IS NOT NULL`;
  const statement: Statement = {
    summary: 'SELECT moving orders',
    sql: `${open('payment')} UNION ${open('refund')} UNION SELECT order_no FROM trajectory WHERE order_no IN (${list}) AND id > ${watermark}`,
    text: true,
  };
  return new Set(keys.length === 0 ? [] : await keysOf(connection, statement, deadline));
};

/** When the syncer looks at an open payment or refund next. */
export type Schedule = {
  readonly orderNo: bigint;
  /** The order's, or the refund's. */
  readonly number: bigint;
  readonly nextCheckAtMs: number;
  readonly checkCount: number;
  readonly hasNote: boolean;
};

export type Schedules = { readonly payment: readonly Schedule[]; readonly refund: readonly Schedule[] };

const SCHEDULED = { payment: 'order_no', refund: 'refund_no' } as const;

/** Schedules move without a word in the trajectory: all of them are read when nothing changes any more. */
export const readSchedules = async (
  connection: Connection,
  tags: readonly GroupTag[],
  deadline: Deadline,
): Promise<Schedules> => {
  const of = async (table: keyof typeof SCHEDULED): Promise<Schedule[]> => {
    const statement: Statement = {
      summary: `SELECT ${table} schedules`,
      sql: `SELECT order_no, ${SCHEDULED[table]} AS number, next_check_at, check_count, needs_person <> '' AS has_note
            FROM ${table} WHERE next_check_at IS NOT NULL AND ${tagIn(tags)}`,
      text: true,
    };
    const { rows } = await connection.run(statement, [], deadline);
    return rows.map((row) => ({
      orderNo: big(row, 'order_no'),
      number: big(row, 'number'),
      nextCheckAtMs: whole(row, 'next_check_at'),
      checkCount: whole(row, 'check_count'),
      hasNote: text(row, 'has_note') === '1',
    }));
  };
  return { payment: await of('payment'), refund: await of('refund') };
};

const SCHEDULES_AT_ONCE = 500;

/** Gives copies their schedules. */
export const writeSchedules = async (
  connection: Connection,
  schedules: Schedules,
  deadline: Deadline,
): Promise<void> => {
  for (const table of ['payment', 'refund'] as const) {
    const all = schedules[table];
    for (let begin = 0; begin < all.length; begin += SCHEDULES_AT_ONCE) {
      const values = all
        .slice(begin, begin + SCHEDULES_AT_ONCE)
        .map(
          (one) => `SELECT ${one.orderNo} AS o, ${one.number} AS n, ${one.nextCheckAtMs} AS t, ${one.checkCount} AS c`,
        );
      const statement: Statement = {
        summary: `UPDATE ${table} schedules`,
        sql: `UPDATE ${table} x JOIN (${values.join(' UNION ALL ')}) s ON x.order_no = s.o AND x.${SCHEDULED[table]} = s.n
              SET x.next_check_at = s.t, x.check_count = s.c`,
        text: true,
      };
      await connection.run(statement, [], deadline);
    }
  }
};

/** How many rows of these groups' orders each table has. */
export const countRows = async (
  connection: Connection,
  tags: readonly GroupTag[],
  deadline: Deadline,
): Promise<Record<OrderTable, number>> => {
  const counts = noRows();
  for (const table of ORDER_TABLES) {
    const statement: Statement = {
      summary: `SELECT ${table} count`,
      sql: `SELECT COUNT(*) AS row_count FROM ${table} WHERE ${tagIn(tags)}`,
      text: true,
    };
    counts[table] = whole((await connection.run(statement, [], deadline)).rows[0], 'row_count');
  }
  return counts;
};
