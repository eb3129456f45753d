import type { Statement } from './connection.ts';

/** Holds an amount of a payment for a refund; a compare-and-set, because the seal is over the sums. */
export const RESERVE_REFUND: Statement = {
  summary: 'UPDATE payment reserve refund',
  sql: `UPDATE payment
        SET refund_reserved = ?, seal = ?, version = version + 1, updated_at = ?, event_attempt_no = NULL,
            event_attempt_state = NULL, event_code = ?, event_source = ?
        WHERE order_no = ? AND version = ? AND state = 'succeeded'`,
};

export const INSERT_REFUND: Statement = {
  summary: 'INSERT refund',
  sql: `INSERT INTO refund (refund_no, order_no, merchant_refund_no, currency, amount, state, cause, reason, attempt_no, version,
          created_at, updated_at, next_check_at, seal, event_source)
        VALUES (?, ?, ?, ?, ?, 'requested', ?, ?, ?, 1, ?, ?, ?, ?, ?)`,
};

const REFUND_COLUMNS = `r.refund_no, r.order_no, r.merchant_refund_no, r.currency, r.amount, r.state, r.cause, r.reason, r.attempt_no,
  r.channel_refund_id, r.channel_code, r.learned_by, r.needs_person, r.version, r.created_at, r.settled_at, r.check_count, r.seal,
  p.merchant_id`;

export const SELECT_REFUND: Statement = {
  summary: 'SELECT refund',
  sql: `SELECT ${REFUND_COLUMNS} FROM refund r JOIN payment p ON p.order_no = r.order_no WHERE r.refund_no = ?`,
};

export const SELECT_REFUND_OF_ORDER: Statement = {
  summary: 'SELECT refund by merchant number',
  sql: `SELECT ${REFUND_COLUMNS} FROM refund r JOIN payment p ON p.order_no = r.order_no
        WHERE r.order_no = ? AND r.merchant_refund_no = ?`,
};

export const SELECT_REFUNDS_OF_ORDER: Statement = {
  summary: 'SELECT refunds of payment',
  sql: `SELECT ${REFUND_COLUMNS} FROM refund r JOIN payment p ON p.order_no = r.order_no WHERE r.order_no = ? ORDER BY r.refund_no`,
};

/** A run of refunds in the order of their own numbers, whatever payment they are of. */
export const SELECT_REFUNDS_BETWEEN: Statement = {
  summary: 'SELECT refunds between',
  sql: `SELECT ${REFUND_COLUMNS} FROM refund r JOIN payment p ON p.order_no = r.order_no
        WHERE r.refund_no > ? AND r.refund_no < ? ORDER BY r.refund_no LIMIT ?`,
};

const NEWS = `r.state = ?, r.version = r.version + 1, r.channel_refund_id = IF(? = '', r.channel_refund_id, ?), r.channel_code = ?,
            r.learned_by = ?, r.needs_person = ?, r.updated_at = ?, r.settled_at = ?, r.next_check_at = ?, r.event_source = ?, r.seal = ?`;

/** Applies news that moves no sum of the payment. */
export const APPLY_TO_REFUND: Statement = {
  summary: 'UPDATE refund apply',
  sql: `UPDATE refund r SET ${NEWS} WHERE r.order_no = ? AND r.refund_no = ? AND r.version = ?`,
};

/** Applies news that moves the payment's sums, in the same statement. */
export const APPLY_TO_REFUND_AND_SUMS: Statement = {
  summary: 'UPDATE refund apply',
  sql: `UPDATE refund r JOIN payment p ON p.order_no = r.order_no
        SET ${NEWS}, p.refund_reserved = ?, p.refunded = ?, p.seal = ?, p.version = p.version + 1, p.updated_at = r.updated_at,
            p.event_attempt_no = NULL, p.event_attempt_state = NULL, p.event_code = 'refund_settled', p.event_source = r.event_source
        WHERE r.order_no = ? AND r.refund_no = ? AND r.version = ? AND p.version = ?`,
};

export const SELECT_DUE_REFUNDS: Statement = {
  summary: 'SELECT due refunds',
  sql: `SELECT refund_no, next_check_at FROM refund WHERE next_check_at <= ? ORDER BY next_check_at LIMIT ? FOR UPDATE SKIP LOCKED`,
  text: true,
};

export const SCHEDULE_REFUND: Statement = {
  summary: 'UPDATE refund schedule',
  sql: `UPDATE refund SET next_check_at = ?, check_count = check_count + 1, needs_person = IF(? = '', needs_person, ?)
        WHERE refund_no = ? AND next_check_at IS NOT NULL`,
};
