import type { Statement } from './connection.ts';

// The statements of the hot path. All values are placeholders; order numbers travel as 64-bit numbers.

const NEW_PAYMENT_COLUMNS = [
  'order_no',
  'merchant_id',
  'merchant_order_no',
  'currency',
  'amount',
  'kind',
  'wallet',
  'subject',
  'state',
  'terminal_id',
  'store_id',
  'traceparent',
  'created_at',
  'expire_at',
  'updated_at',
  'next_check_at',
  'jumped_from',
  'jumped_to',
  'seal',
  'account_id',
  'channel_id',
  'token',
  'route_reason',
  'created_by',
  'event_source',
] as const;

/** How many values a row of INSERT_PAYMENTS has: its columns, then the fence. */
export const NEW_PAYMENT_VALUES = NEW_PAYMENT_COLUMNS.length + 1;

// NULL where the group admits writers of another map, or none: the column takes no NULL, and the statement writes nothing. The shared
// lock lasts until the commit: whoever changes the map waits for INSERTs under way, and after the change none of them appears.
const FENCE =
  "(SELECT map_version FROM group_epoch WHERE id = 1 AND map_version = ? AND mode = 'RW' LOCK IN SHARE MODE)";

const ROW = `(${NEW_PAYMENT_COLUMNS.map(() => '?').join(', ')}, 1, 1, 'started', ${FENCE})`;

const insertPayments = (rows: number, partition: string | undefined): Statement => ({
  summary: 'INSERT payment',
  // Naming the partition spares the server the locks of all others.
  sql: `INSERT INTO payment ${partition === undefined ? '' : `PARTITION (${partition}) `}(${NEW_PAYMENT_COLUMNS.join(', ')}, version,
          attempt_count, attempt_state, map_version)
        VALUES ${Array.from({ length: rows }, () => ROW).join(', ')}`,
});

/** So many new orders go into one statement at most. */
export const BATCH_ROWS_MAX = 32;

const known = new Map<string, Statement>();

/**
 * The fenced INSERT of so many payments: all of them or none.
 *
 * @param partition where all of them lie; undefined: the server finds out.
 */
export const insertPaymentsInto = (rows: number, partition: string | undefined): Statement => {
  const key = `${rows} ${partition ?? ''}`;
  const statement = known.get(key) ?? insertPayments(rows, partition);
  // A process that runs for months must not keep the days that are over.
  if (known.size > BATCH_ROWS_MAX * 4) known.clear();
  known.set(key, statement);
  return statement;
};

const PAYMENT_COLUMNS = `p.order_no, p.merchant_id, p.merchant_order_no, p.currency, p.amount, p.kind, p.wallet, p.subject, p.state, p.version,
  p.attempt_count, p.action, p.learned_by, p.decline_reason, p.paid_at, p.refund_reserved, p.refunded, p.terminal_id, p.store_id,
  p.traceparent, p.needs_person, p.created_at, p.expire_at, p.next_check_at, p.check_count, p.map_version, p.jumped_from, p.jumped_to,
  p.seal, p.account_id, p.channel_id, p.token, p.attempt_state, p.channel_transaction_id, p.channel_code, p.rule_id, p.attempt_learned_by,
  p.route_reason, p.settled_at, p.details`;
const ATTEMPT_COLUMNS = `a.attempt_no, a.account_id AS a_account_id, a.channel_id AS a_channel_id, a.token AS a_token,
  a.attempt_state AS a_attempt_state, a.channel_transaction_id AS a_channel_transaction_id, a.channel_code AS a_channel_code,
  a.rule_id AS a_rule_id, a.attempt_learned_by AS a_attempt_learned_by, a.route_reason AS a_route_reason, a.started_at AS a_started_at,
  a.settled_at AS a_settled_at`;

export const SELECT_PAYMENT: Statement = {
  summary: 'SELECT payment',
  sql: `SELECT ${PAYMENT_COLUMNS}, ${ATTEMPT_COLUMNS} FROM payment p LEFT JOIN attempt a ON a.order_no = p.order_no
        WHERE p.order_no = ? ORDER BY a.attempt_no`,
};

/**
 * Several payments with their attempts.
 *
 * @param count how many numbers: one of few, for each is a statement of its own on the server.
 */
export const selectPayments = (count: number): Statement => ({
  summary: 'SELECT payments',
  sql: `SELECT ${PAYMENT_COLUMNS}, ${ATTEMPT_COLUMNS} FROM payment p LEFT JOIN attempt a ON a.order_no = p.order_no
        WHERE p.order_no IN (${Array.from({ length: count }, () => '?').join(', ')}) ORDER BY p.order_no, a.attempt_no`,
});

export const SELECT_PAYMENT_OF_MERCHANT: Statement = {
  summary: 'SELECT payment by merchant order',
  sql: `SELECT ${PAYMENT_COLUMNS}, ${ATTEMPT_COLUMNS} FROM merchant_order k JOIN payment p ON p.order_no = k.order_no
        LEFT JOIN attempt a ON a.order_no = p.order_no
        WHERE k.merchant_id = ? AND k.merchant_order_no = ? ORDER BY a.attempt_no`,
};

/** Everything that the group holds of a merchant's number, in one look: the map version, the claim and the order. */
export const SELECT_HOLDING: Statement = {
  summary: 'SELECT holding',
  sql: `SELECT g.map_version AS group_map_version, c.order_no AS claim_order_no, c.state AS claim_state, c.home_tag AS claim_home_tag,
          ${PAYMENT_COLUMNS}, ${ATTEMPT_COLUMNS}
        FROM group_epoch g
        LEFT JOIN jump_claim c ON c.merchant_id = ? AND c.merchant_order_no = ?
        LEFT JOIN merchant_order k ON k.merchant_id = ? AND k.merchant_order_no = ?
        LEFT JOIN payment p ON p.order_no = k.order_no
        LEFT JOIN attempt a ON a.order_no = p.order_no
        WHERE g.id = 1 ORDER BY a.attempt_no`,
};

/** The activation write of a payment that was left unbound: acknowledged, it makes the order payable unless a claim says otherwise. */
export const ACTIVATE_PAYMENT: Statement = {
  summary: 'UPDATE payment activate',
  sql: `UPDATE payment SET state = 'paying', version = version + 1, updated_at = ?, next_check_at = ?, event_source = ?, token = ?
        WHERE order_no = ? AND version = ? AND state = 'unbound'`,
};

/** A further acknowledged write of a payment that this caller wrote before. */
export const TOUCH_PAYMENT: Statement = {
  summary: 'UPDATE payment touch',
  sql: `UPDATE payment SET version = version + 1, updated_at = ?, event_source = ?
        WHERE order_no = ? AND state = 'paying' AND token = ? AND attempt_state = 'started'`,
};

/** Takes a payment that nobody may pay yet out of the way. */
export const UNBIND_PAYMENT: Statement = {
  summary: 'UPDATE payment unbind',
  sql: `UPDATE payment SET state = 'unbound', version = version + 1, updated_at = ?, next_check_at = NULL, event_source = ?
        WHERE order_no = ? AND version = ? AND state = 'paying'`,
};

/** A jumped order that is paying is bound, and stays. */
export const VOID_PAYMENT: Statement = {
  summary: 'UPDATE payment void',
  sql: `UPDATE payment SET state = 'void', version = version + 1, updated_at = ?, next_check_at = NULL, event_source = ?
        WHERE order_no = ? AND (state = 'unbound' OR (state = 'paying' AND jumped_from IS NULL))`,
};

/** Applies news about attempt 1, which stands in the payment: one compare-and-set of one row. */
export const APPLY_TO_FIRST_ATTEMPT: Statement = {
  summary: 'UPDATE payment apply',
  sql: `UPDATE payment
        SET state = ?, version = version + 1, learned_by = COALESCE(?, learned_by), decline_reason = ?, paid_at = COALESCE(?, paid_at),
            action = ?, needs_person = ?, updated_at = ?, next_check_at = ?, attempt_count = attempt_count + ?, seal = ?,
            details = COALESCE(?, details),
            event_attempt_no = 1, event_attempt_state = ?, event_code = ?, event_source = ?,
            attempt_state = ?, channel_transaction_id = COALESCE(?, channel_transaction_id), channel_code = ?, rule_id = ?,
            attempt_learned_by = ?, settled_at = ?
        WHERE order_no = ? AND version = ?`,
};

/** Applies news about a later attempt: the payment and its attempt in one compare-and-set. */
export const APPLY_TO_LATER_ATTEMPT: Statement = {
  summary: 'UPDATE payment apply',
  sql: `UPDATE payment p JOIN attempt a ON a.order_no = p.order_no AND a.attempt_no = ?
        SET p.state = ?, p.version = p.version + 1, p.learned_by = COALESCE(?, p.learned_by), p.decline_reason = ?,
            p.paid_at = COALESCE(?, p.paid_at), p.action = ?, p.needs_person = ?, p.updated_at = ?, p.next_check_at = ?,
            p.attempt_count = p.attempt_count + ?, p.seal = ?, p.details = COALESCE(?, p.details),
            p.event_attempt_no = a.attempt_no, p.event_attempt_state = ?, p.event_code = ?, p.event_source = ?,
            a.attempt_state = ?, a.channel_transaction_id = COALESCE(?, a.channel_transaction_id), a.channel_code = ?, a.rule_id = ?,
            a.attempt_learned_by = ?, a.settled_at = ?
        WHERE p.order_no = ? AND p.version = ?`,
};

export const INSERT_ATTEMPT: Statement = {
  summary: 'INSERT attempt',
  sql: `INSERT INTO attempt (order_no, attempt_no, account_id, channel_id, token, attempt_state, route_reason, started_at)
        VALUES (?, ?, ?, ?, ?, 'started', ?, ?)`,
};

/** A payment that moves without news about an attempt: continued, closed, or held for a person. */
export const MOVE_PAYMENT: Statement = {
  summary: 'UPDATE payment move',
  sql: `UPDATE payment
        SET state = ?, version = version + 1, attempt_count = attempt_count + ?, action = NULL, decline_reason = ?, needs_person = ?,
            updated_at = ?, next_check_at = ?, event_attempt_no = NULL, event_attempt_state = NULL, event_code = ?, event_source = ?
        WHERE order_no = ? AND version = ?`,
};

/** What became known of a paid payment later; nothing moves. */
export const ADD_DETAILS: Statement = {
  summary: 'UPDATE payment details',
  sql: `UPDATE payment
        SET details = ?, version = version + 1, updated_at = ?, next_check_at = ?, event_attempt_no = NULL, event_attempt_state = NULL,
            event_code = 'details', event_source = ?
        WHERE order_no = ? AND version = ?`,
};

/** Nothing is left to look for, of a payment that has ended. */
export const STOP_CHECKS: Statement = {
  summary: 'UPDATE payment stop',
  sql: `UPDATE payment SET next_check_at = NULL, check_count = check_count + 1
        WHERE order_no = ? AND version = ? AND next_check_at IS NOT NULL`,
};

export const SELECT_DUE_PAYMENTS: Statement = {
  summary: 'SELECT due payments',
  sql: `SELECT order_no, next_check_at FROM payment WHERE next_check_at <= ? ORDER BY next_check_at LIMIT ? FOR UPDATE SKIP LOCKED`,
  text: true,
};

export const SCHEDULE_PAYMENT: Statement = {
  summary: 'UPDATE payment schedule',
  sql: `UPDATE payment SET next_check_at = ?, check_count = check_count + 1, needs_person = IF(? = '', needs_person, ?)
        WHERE order_no = ? AND next_check_at IS NOT NULL`,
};

export const BEGIN: Statement = { summary: 'BEGIN', sql: 'START TRANSACTION', text: true };
export const COMMIT: Statement = { summary: 'COMMIT', sql: 'COMMIT', text: true };
export const ROLLBACK: Statement = { summary: 'ROLLBACK', sql: 'ROLLBACK', text: true };
