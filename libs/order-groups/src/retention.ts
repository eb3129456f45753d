import type { Clock } from '@tillmesh/clock';
import { isFinal, PAYMENT_MOVES, PAYMENT_STATES, REFUND_MOVES, REFUND_STATES } from '@tillmesh/domain';
import { text, whole } from './columns.ts';
import { bigintParameter, type Connection, type Deadline, type Statement } from './connection.ts';
import { dayOf, dropPartitions, firstKeyOf, partitionedDays, partitionOf } from './partitions.ts';

/** What a round of retention has done. */
export type RetentionReport = {
  /** Partitions that were dropped, over all tables. */
  readonly dropped: number;
  /** Narrow rows that were deleted: merchants' numbers, claims and news of dropped days. */
  readonly rows: number;
  /** The oldest day that stays although its time is over, because so many of its payments or refunds are open; undefined: none. */
  readonly held: { readonly day: number; readonly open: number } | undefined;
};

const ROWS_AT_ONCE = 1_000;
/** Between pieces, so that orders do not wait for them. */
const PAUSE_MS = 10;

const quoted = (states: readonly string[]): string => states.map((state) => `'${state}'`).join(', ');
const OPEN_PAYMENT = quoted(PAYMENT_STATES.filter((state) => !isFinal(PAYMENT_MOVES, state)));
const OPEN_REFUND = quoted(REFUND_STATES.filter((state) => !isFinal(REFUND_MOVES, state)));

const selectOpen = (day: number): Statement => ({
  summary: 'SELECT open of a day',
  sql: `SELECT (SELECT COUNT(*) FROM payment PARTITION (${partitionOf(day)}) WHERE state IN (${OPEN_PAYMENT}) OR next_check_at IS NOT NULL)
          + (SELECT COUNT(*) FROM refund PARTITION (${partitionOf(day)}) WHERE state IN (${OPEN_REFUND})) AS open`,
  text: true,
});

const BEYOND = '(merchant_id > ? OR (merchant_id = ? AND merchant_order_no > ?))';

/** The end of the next piece of a table that is ordered by merchants' numbers. */
const selectEnd = (table: string): Statement => ({
  summary: `SELECT ${table} piece`,
  sql: `SELECT merchant_id, merchant_order_no FROM ${table} WHERE ${BEYOND}
        ORDER BY merchant_id, merchant_order_no LIMIT 1 OFFSET ${ROWS_AT_ONCE - 1}`,
});
const deletePiece = (table: string, condition: string): Statement => ({
  summary: `DELETE ${table} piece`,
  sql: `DELETE FROM ${table} WHERE ${BEYOND} AND (merchant_id < ? OR (merchant_id = ? AND merchant_order_no <= ?))
        AND order_no < ? AND ${condition}`,
});
const DELETE_NEWS: Statement = {
  summary: 'DELETE pending_event',
  sql: `DELETE FROM pending_event WHERE number < ? AND replayed_at IS NOT NULL ORDER BY number LIMIT ${ROWS_AT_ONCE}`,
};

/** Sorts behind every id and every number of a merchant. */
const END = '~';

/**
 * Drops the days whose time is over. A day with a payment or refund that is not at its end stays, and so do those after it. A merchant's
 * number goes before its order, so that a number is never taken by an order that is gone; it may be used again then. Run again after
 * a crash at any point.
 *
 * @param connection of an account that may change the schema.
 * @param retentionDays whole days that are kept before today.
 */
export const dropOldDays = async (
  connection: Connection,
  options: { readonly retentionDays: number; readonly deadline: Deadline; readonly clock: Clock },
): Promise<RetentionReport> => {
  const { retentionDays, deadline, clock } = options;
  const days = (await partitionedDays(connection, deadline)).get('payment') ?? [];
  let firstKept = dayOf(clock.nowMs()) - retentionDays;
  let held: RetentionReport['held'];
  for (const day of days.filter((candidate) => candidate < firstKept)) {
    const { rows } = await connection.run(selectOpen(day), [], deadline);
    const open = whole(rows[0], 'open');
    if (open === 0) continue;
    held = { day, open };
    firstKept = day;
    break;
  }
  if (!days.some((day) => day < firstKept)) return { dropped: 0, rows: 0, held };
  const before = bigintParameter(firstKeyOf(firstKept));

  const deleteIn = async (table: 'merchant_order' | 'jump_claim', condition: string): Promise<number> => {
    let deleted = 0;
    let at = ['', ''] as readonly [string, string];
    for (;;) {
      const from = [at[0], at[0], at[1]];
      const [row] = (await connection.run(selectEnd(table), from, deadline)).rows;
      const end =
        row === undefined
          ? ([END, END] as const)
          : ([text(row, 'merchant_id'), text(row, 'merchant_order_no')] as const);
      const values = [...from, end[0], end[0], end[1], before];
      deleted += (await connection.run(deletePiece(table, condition), values, deadline)).affectedRows;
      if (row === undefined) return deleted;
      at = end;
      await clock.sleep(PAUSE_MS);
    }
  };

  let rows = (await deleteIn('merchant_order', 'TRUE')) + (await deleteIn('jump_claim', 'is_closed'));
  for (;;) {
    const { affectedRows } = await connection.run(DELETE_NEWS, [before], deadline);
    rows += affectedRows;
    if (affectedRows < ROWS_AT_ONCE) break;
    await clock.sleep(PAUSE_MS);
  }
  return { dropped: await dropPartitions(connection, firstKept, deadline), rows, held };
};
