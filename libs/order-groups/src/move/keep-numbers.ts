import { big, optionalText, text } from '../columns.ts';
import { bigintParameter, type Connection, type Deadline, type Row, type Statement } from '../connection.ts';
import type { OrderRows } from './copy-orders.ts';
import { type OrderRange, within } from './order-digests.ts';

/** Which orders of a range hold their merchant's number in their group. */
export const SELECT_HELD_NUMBERS_OF = (range: OrderRange): Statement => ({
  summary: 'SELECT held numbers',
  sql: `SELECT k.order_no FROM payment p
        JOIN merchant_order k ON k.merchant_id = p.merchant_id AND k.merchant_order_no = p.merchant_order_no AND k.order_no = p.order_no
        WHERE ${within(range).replaceAll('order_no', 'p.order_no')}`,
  text: true,
});

// A number that is taken stays with whoever has it.
const KEEP = (keys: readonly bigint[]): Statement => ({
  summary: 'INSERT merchant_order copies',
  sql: `INSERT INTO merchant_order (merchant_id, merchant_order_no, order_no)
        SELECT merchant_id, merchant_order_no, order_no FROM payment WHERE ${within({ keys })}
        ON DUPLICATE KEY UPDATE merchant_order.order_no = merchant_order.order_no`,
  text: true,
});

const SELECT_TAKEN = (keys: readonly bigint[]): Statement => ({
  summary: 'SELECT taken numbers',
  sql: `SELECT m.order_no, m.state, k.order_no AS holder_no, h.state AS holder_state, h.jumped_to AS holder_jumped_to
        FROM payment m
        JOIN merchant_order k ON k.merchant_id = m.merchant_id AND k.merchant_order_no = m.merchant_order_no
        JOIN payment h ON h.order_no = k.order_no
        WHERE ${within({ keys }).replaceAll('order_no', 'm.order_no')} AND k.order_no <> m.order_no`,
  text: true,
});

const POINT_TO: Statement = {
  summary: 'UPDATE payment point',
  sql: 'UPDATE payment SET jumped_to = ? WHERE order_no = ? AND jumped_to IS NULL',
};
const HAND_OVER: Statement = {
  summary: 'UPDATE merchant_order hand over',
  sql: `UPDATE merchant_order k JOIN payment m ON m.merchant_id = k.merchant_id AND m.merchant_order_no = k.merchant_order_no
        SET k.order_no = m.order_no WHERE m.order_no = ? AND k.order_no = ?`,
};

const settle = async (connection: Connection, row: Row, deadline: Deadline): Promise<void> => {
  const own = big(row, 'order_no');
  const holder = big(row, 'holder_no');
  if (text(row, 'state') === 'void') return;
  if (text(row, 'holder_state') === 'void') {
    // A row of the target that lost to the order that comes: it says so, and keeps late INSERTs out as before.
    if (optionalText(row, 'holder_jumped_to') === undefined)
      await connection.run(POINT_TO, [bigintParameter(own), bigintParameter(holder)], deadline);
    return;
  }
  // A number that was used again after the idempotency window: the newer order has it. Order numbers begin with the time.
  if (own > holder) await connection.run(HAND_OVER, [bigintParameter(own), bigintParameter(holder)], deadline);
};

/** Gives orders that have come their merchants' numbers, as far as they held them and nobody else has them here. */
export const keepNumbers = async (
  connection: Connection,
  { holders }: Pick<OrderRows, 'holders'>,
  deadline: Deadline,
): Promise<void> => {
  if (holders.length === 0) return;
  await connection.run(KEEP(holders), [], deadline);
  const { rows } = await connection.run(SELECT_TAKEN(holders), [], deadline);
  for (const row of rows) await settle(connection, row, deadline);
};

const SELECT_WITHOUT_NUMBER = (keys: readonly bigint[]): Statement => ({
  summary: 'SELECT orders without number',
  sql: `SELECT p.order_no FROM payment p
        LEFT JOIN merchant_order k ON k.merchant_id = p.merchant_id AND k.merchant_order_no = p.merchant_order_no
        WHERE ${within({ keys }).replaceAll('order_no', 'p.order_no')} AND k.order_no IS NULL`,
  text: true,
});

/** Orders whose merchant's number leads nowhere at a group. */
export const withoutNumber = async (
  connection: Connection,
  keys: readonly bigint[],
  deadline: Deadline,
): Promise<readonly bigint[]> =>
  keys.length === 0
    ? []
    : (await connection.run(SELECT_WITHOUT_NUMBER(keys), [], deadline)).rows.map((row) => big(row, 'order_no'));
