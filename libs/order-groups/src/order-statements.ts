import type { Statement } from './connection.ts';

// Every statement of the hot path. All values are placeholders; order numbers travel as 64-bit numbers.

export const SELECT_EPOCH: Statement = {
  summary: 'SELECT group_epoch',
  sql: "SELECT epoch FROM group_epoch WHERE id = 1 AND mode = 'RW'",
};

// One row a worker, so that workers do not wait for each other's row lock while they wait for a replica.
export const HEARTBEAT: Statement = {
  summary: 'INSERT heartbeat',
  sql: `INSERT INTO heartbeat (worker_id, beat_at) SELECT ?, ? FROM group_epoch WHERE id = 1 AND mode = 'RW'
        ON DUPLICATE KEY UPDATE beat_at = VALUES(beat_at), beats = beats + 1`,
};

const NEW_PAYMENT_COLUMNS = `order_no, merchant_id, merchant_order_no, currency, amount, kind, wallet, subject, state, version, attempt_count,
  terminal_id, store_id, traceparent, created_at, expire_at, updated_at, next_check_at,
  first_account_id, first_channel_id, first_token, first_route_reason, event_source`;

const placeholders = (count: number): string => Array.from({ length: count }, () => '?').join(', ');

/** Fenced: writes nothing where the epoch is another one or the group is not writable. 20 values, then the epoch. */
export const INSERT_PAYMENT: Statement = {
  summary: 'INSERT payment',
  sql: `INSERT INTO payment (${NEW_PAYMENT_COLUMNS})
        SELECT ${placeholders(9)}, 1, 1, ${placeholders(12)}
        FROM group_epoch WHERE id = 1 AND epoch = ? AND mode = 'RW'`,
};

const PAYMENT_COLUMNS = `p.order_no, p.merchant_id, p.merchant_order_no, p.currency, p.amount, p.kind, p.wallet, p.subject, p.state, p.version,
  p.action, p.learned_by AS payment_learned_by, p.decline_reason, p.paid_at, p.refund_reserved, p.refunded, p.terminal_id, p.store_id,
  p.traceparent, p.needs_person, p.created_at, p.expire_at, p.next_check_at, p.check_count`;
const ATTEMPT_COLUMNS = `a.attempt_no, a.account_id, a.channel_id, a.token, a.state AS attempt_state, a.channel_transaction_id, a.channel_code,
  a.rule_id, a.learned_by, a.route_reason, a.started_at, a.settled_at`;

export const SELECT_PAYMENT: Statement = {
  summary: 'SELECT payment',
  sql: `SELECT ${PAYMENT_COLUMNS}, ${ATTEMPT_COLUMNS} FROM payment p LEFT JOIN attempt a ON a.order_no = p.order_no
        WHERE p.order_no = ? ORDER BY a.attempt_no`,
};

export const SELECT_PAYMENT_OF_MERCHANT: Statement = {
  summary: 'SELECT payment by merchant order',
  sql: `SELECT ${PAYMENT_COLUMNS}, ${ATTEMPT_COLUMNS} FROM payment p LEFT JOIN attempt a ON a.order_no = p.order_no
        WHERE p.merchant_id = ? AND p.merchant_order_no = ? ORDER BY a.attempt_no`,
};

/** The activation write of a payment that was left unbound: acknowledged, it makes the order payable unless a claim says otherwise. */
export const ACTIVATE_PAYMENT: Statement = {
  summary: 'UPDATE payment activate',
  sql: `UPDATE payment p JOIN attempt a ON a.order_no = p.order_no AND a.attempt_no = 1
        SET p.state = 'paying', p.version = p.version + 1, p.updated_at = ?, p.next_check_at = ?, p.event_source = ?, a.token = ?
        WHERE p.order_no = ? AND p.version = ? AND p.state = 'unbound'`,
};

/** A further acknowledged write of a payment that this caller wrote before. */
export const TOUCH_PAYMENT: Statement = {
  summary: 'UPDATE payment touch',
  sql: `UPDATE payment p JOIN attempt a ON a.order_no = p.order_no AND a.attempt_no = 1
        SET p.version = p.version + 1, p.updated_at = ?, p.event_source = ?
        WHERE p.order_no = ? AND p.state = 'paying' AND a.token = ? AND a.state = 'started'`,
};

/** Takes a payment that nobody may pay yet out of the way. */
export const UNBIND_PAYMENT: Statement = {
  summary: 'UPDATE payment unbind',
  sql: `UPDATE payment SET state = 'unbound', version = version + 1, updated_at = ?, next_check_at = NULL, event_source = ?
        WHERE order_no = ? AND version = ? AND state = 'paying'`,
};

export const VOID_PAYMENT: Statement = {
  summary: 'UPDATE payment void',
  sql: `UPDATE payment SET state = 'void', version = version + 1, updated_at = ?, next_check_at = NULL, event_source = ?
        WHERE order_no = ? AND state IN ('paying', 'unbound')`,
};

export const INSERT_CLAIM: Statement = {
  summary: 'INSERT jump_claim',
  sql: `INSERT INTO jump_claim (merchant_id, merchant_order_no, order_no, state, home_tag, created_at, updated_at)
        VALUES (?, ?, ?, 'open', ?, ?, ?)`,
};

export const SELECT_CLAIM: Statement = {
  summary: 'SELECT jump_claim',
  sql: 'SELECT order_no, state FROM jump_claim WHERE merchant_id = ? AND merchant_order_no = ?',
};

export const ABANDON_CLAIM: Statement = {
  summary: 'UPDATE jump_claim abandon',
  sql: `UPDATE jump_claim SET state = 'abandoned', updated_at = ?
        WHERE merchant_id = ? AND merchant_order_no = ? AND state = 'open'`,
};

/** Binds the claim and makes its order payable in one statement: whoever is acknowledged may pay. */
export const BIND_CLAIM: Statement = {
  summary: 'UPDATE jump_claim bind',
  sql: `UPDATE jump_claim c
        JOIN payment p ON p.order_no = c.order_no
        JOIN attempt a ON a.order_no = c.order_no AND a.attempt_no = 1
        SET c.state = 'bound', c.updated_at = ?, p.state = 'paying', p.version = p.version + 1, p.updated_at = ?, p.next_check_at = ?,
            p.event_source = ?, a.token = ?
        WHERE c.merchant_id = ? AND c.merchant_order_no = ? AND c.order_no = ? AND c.state = 'open' AND p.state = 'unbound'`,
};

/** Applies news: the payment and its attempt in one compare-and-set. */
export const APPLY_TO_ATTEMPT: Statement = {
  summary: 'UPDATE payment apply',
  sql: `UPDATE payment p JOIN attempt a ON a.order_no = p.order_no AND a.attempt_no = ?
        SET p.state = ?, p.version = p.version + 1, p.learned_by = COALESCE(?, p.learned_by), p.decline_reason = ?,
            p.paid_at = COALESCE(?, p.paid_at), p.action = ?, p.needs_person = ?, p.updated_at = ?, p.next_check_at = ?,
            p.attempt_count = p.attempt_count + ?,
            p.event_attempt_no = a.attempt_no, p.event_attempt_state = ?, p.event_code = ?, p.event_source = ?,
            a.state = ?, a.channel_transaction_id = COALESCE(?, a.channel_transaction_id), a.channel_code = ?, a.rule_id = ?,
            a.learned_by = ?, a.settled_at = ?
        WHERE p.order_no = ? AND p.version = ?`,
};

export const INSERT_ATTEMPT: Statement = {
  summary: 'INSERT attempt',
  sql: `INSERT INTO attempt (order_no, attempt_no, account_id, channel_id, token, state, route_reason, started_at)
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

export const RESERVE_REFUND: Statement = {
  summary: 'UPDATE payment reserve refund',
  sql: `UPDATE payment
        SET refund_reserved = refund_reserved + ?, version = version + 1, updated_at = ?, event_attempt_no = NULL,
            event_attempt_state = NULL, event_code = 'refund_reserved', event_source = ?
        WHERE order_no = ? AND state = 'succeeded' AND refund_reserved + ? <= amount`,
};

export const INSERT_REFUND: Statement = {
  summary: 'INSERT refund',
  sql: `INSERT INTO refund (refund_no, order_no, merchant_refund_no, currency, amount, state, cause, reason, attempt_no, version,
          created_at, updated_at, next_check_at, event_source)
        VALUES (?, ?, ?, ?, ?, 'requested', ?, ?, ?, 1, ?, ?, ?, ?)`,
};

const REFUND_COLUMNS = `r.refund_no, r.order_no, r.merchant_refund_no, r.currency, r.amount, r.state, r.cause, r.reason, r.attempt_no,
  r.channel_refund_id, r.channel_code, r.learned_by, r.needs_person, r.version, r.created_at, r.settled_at, r.check_count, p.merchant_id`;

export const SELECT_REFUND: Statement = {
  summary: 'SELECT refund',
  sql: `SELECT ${REFUND_COLUMNS} FROM refund r JOIN payment p ON p.order_no = r.order_no WHERE r.refund_no = ?`,
};

export const SELECT_REFUND_OF_ORDER: Statement = {
  summary: 'SELECT refund by merchant number',
  sql: `SELECT ${REFUND_COLUMNS} FROM refund r JOIN payment p ON p.order_no = r.order_no
        WHERE r.order_no = ? AND r.merchant_refund_no = ?`,
};

/** Applies news about a refund; the payment's sums move in the same statement. */
export const APPLY_TO_REFUND: Statement = {
  summary: 'UPDATE refund apply',
  sql: `UPDATE refund r JOIN payment p ON p.order_no = r.order_no
        SET r.state = ?, r.version = r.version + 1, r.channel_refund_id = IF(? = '', r.channel_refund_id, ?), r.channel_code = ?,
            r.learned_by = ?, r.needs_person = ?, r.updated_at = ?, r.settled_at = ?, r.next_check_at = ?, r.event_source = ?,
            p.refund_reserved = p.refund_reserved - ?, p.refunded = p.refunded + ?
        WHERE r.refund_no = ? AND r.version = ?`,
};

export const SELECT_DUE_PAYMENTS: Statement = {
  summary: 'SELECT due payments',
  sql: `SELECT order_no, next_check_at FROM payment WHERE next_check_at <= ? ORDER BY next_check_at LIMIT ? FOR UPDATE SKIP LOCKED`,
  text: true,
};

export const SELECT_DUE_REFUNDS: Statement = {
  summary: 'SELECT due refunds',
  sql: `SELECT refund_no, next_check_at FROM refund WHERE next_check_at <= ? ORDER BY next_check_at LIMIT ? FOR UPDATE SKIP LOCKED`,
  text: true,
};

export const SCHEDULE_PAYMENT: Statement = {
  summary: 'UPDATE payment schedule',
  sql: `UPDATE payment SET next_check_at = ?, check_count = check_count + 1, needs_person = IF(? = '', needs_person, ?)
        WHERE order_no = ? AND next_check_at IS NOT NULL`,
};

export const SCHEDULE_REFUND: Statement = {
  summary: 'UPDATE refund schedule',
  sql: `UPDATE refund SET next_check_at = ?, check_count = check_count + 1, needs_person = IF(? = '', needs_person, ?)
        WHERE refund_no = ? AND next_check_at IS NOT NULL`,
};

export const BEGIN: Statement = { summary: 'BEGIN', sql: 'START TRANSACTION', text: true };
export const COMMIT: Statement = { summary: 'COMMIT', sql: 'COMMIT', text: true };
export const ROLLBACK: Statement = { summary: 'ROLLBACK', sql: 'ROLLBACK', text: true };
