import type { Statement } from '@tillmesh/order-groups';

const marks = (count: number): string => Array.from({ length: count }, () => '?').join(', ');
const rows = (count: number, columns: number): string =>
  Array.from({ length: count }, () => `(${marks(columns)})`).join(', ');

export const LOCK_STATE: Statement = {
  summary: 'SELECT store_state lock',
  sql: 'SELECT began_at FROM store_state WHERE id = 1 FOR UPDATE',
};

/** What is recorded of some payments. @param count one of few sizes: each is a statement of its own on the server. */
export const selectKnown = (count: number): Statement => ({
  summary: 'SELECT merchant_event known',
  sql: `SELECT seq, number, version FROM merchant_event WHERE order_no IN (${marks(count)})`,
});

/** New events; their places follow their order. @param count one of few sizes. */
export const insertEvents = (count: number): Statement => ({
  summary: 'INSERT merchant_event',
  sql: `INSERT INTO merchant_event (merchant_id, order_no, number, version, kind, happened_at, recorded_at) VALUES ${rows(count, 7)}`,
});

/** Tellings that wait. @param count one of few sizes. */
export const insertDeliveries = (count: number): Statement => ({
  summary: 'INSERT delivery',
  sql: `INSERT INTO delivery (seq, endpoint_id, merchant_id, order_no, happened_at, state, next_at, gives_up_at) VALUES ${rows(count, 8)}`,
});

export const SELECT_PAUSES: Statement = {
  summary: 'SELECT merchant_pause',
  sql: 'SELECT merchant_id, paused_at, reason FROM merchant_pause',
};

/** The first that waits of a payment's events for an endpoint. */
export const SELECT_HEAD: Statement = {
  summary: 'SELECT delivery head',
  sql: `SELECT d.seq, d.attempts, d.next_at, d.gives_up_at, d.claimed_until, e.number, e.version, e.kind, e.happened_at
        FROM delivery d JOIN merchant_event e ON e.seq = d.seq
        WHERE d.merchant_id = ? AND d.endpoint_id = ? AND d.order_no = ? AND d.state = 'waiting' ORDER BY d.seq LIMIT 1`,
};

export const CLAIM: Statement = {
  summary: 'UPDATE delivery claim',
  sql: `UPDATE delivery SET claimed_until = ?, claimed_by = ?
        WHERE seq = ? AND endpoint_id = ? AND state = 'waiting' AND claimed_until <= ? AND next_at <= ?`,
};

export const SETTLE: Statement = {
  summary: 'UPDATE delivery settle',
  sql: `UPDATE delivery SET state = ?, attempts = attempts + 1, last_status = ?, last_why = ?, settled_at = ?, claimed_until = 0
        WHERE seq = ? AND endpoint_id = ? AND state = 'waiting' AND claimed_by = ?`,
};

/** Later; where the merchant was paused meanwhile, when it is resumed. */
export const POSTPONE: Statement = {
  summary: 'UPDATE delivery postpone',
  sql: `UPDATE delivery SET attempts = attempts + ?, last_status = ?, last_why = ?, claimed_until = 0,
          next_at = IF(EXISTS (SELECT 1 FROM merchant_pause p WHERE p.merchant_id = delivery.merchant_id), ?, ?)
        WHERE seq = ? AND endpoint_id = ? AND state = 'waiting' AND claimed_by = ?`,
};

export const SELECT_OVERDUE: Statement = {
  summary: 'SELECT delivery overdue',
  sql: `SELECT seq, endpoint_id, merchant_id, order_no, attempts FROM delivery FORCE INDEX (due)
        WHERE state = 'waiting' AND next_at <= ? AND claimed_until <= ? ORDER BY next_at LIMIT ?`,
};

export const INSERT_PAUSE: Statement = {
  summary: 'INSERT merchant_pause',
  sql: `INSERT INTO merchant_pause (merchant_id, paused_at, reason) VALUES (?, ?, ?)
        ON DUPLICATE KEY UPDATE reason = VALUES(reason)`,
};

export const DELETE_PAUSE: Statement = {
  summary: 'DELETE merchant_pause',
  sql: 'DELETE FROM merchant_pause WHERE merchant_id = ?',
};

export const HOLD_WAITING: Statement = {
  summary: 'UPDATE delivery hold',
  sql: `UPDATE delivery SET next_at = ? WHERE merchant_id = ? AND state = 'waiting' AND next_at < ? LIMIT 2000`,
};

/** What waited while its merchant was paused has the time that it had. */
export const FREE_WAITING: Statement = {
  summary: 'UPDATE delivery free',
  sql: `UPDATE delivery SET next_at = ?, gives_up_at = gives_up_at + ?
        WHERE merchant_id = ? AND state = 'waiting' AND next_at >= ? LIMIT 2000`,
};

const AGAIN = `state = 'waiting', attempts = 0, next_at = ?, gives_up_at = ?, claimed_until = 0, claimed_by = '', settled_at = NULL`;

export const REPLAY_DEAD: Statement = {
  summary: 'UPDATE delivery replay dead',
  sql: `UPDATE delivery SET ${AGAIN} WHERE merchant_id = ? AND state = 'dead' AND happened_at >= ? AND happened_at < ?
        ORDER BY happened_at LIMIT ?`,
};

export const REPLAY_DELIVERED: Statement = {
  summary: 'UPDATE delivery replay delivered',
  sql: `UPDATE delivery SET ${AGAIN} WHERE merchant_id = ? AND state = 'delivered' AND happened_at >= ? AND happened_at < ?
        ORDER BY happened_at LIMIT ?`,
};

export const SELECT_EVENT: Statement = {
  summary: 'SELECT merchant_event by number',
  sql: 'SELECT seq, merchant_id, order_no, kind, happened_at FROM merchant_event WHERE number = ? AND version = ?',
};

export const RESEND: Statement = {
  summary: 'INSERT delivery resend',
  sql: `INSERT INTO delivery (seq, endpoint_id, merchant_id, order_no, happened_at, state, next_at, gives_up_at)
        VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?)
        ON DUPLICATE KEY UPDATE state = 'waiting', attempts = 0, next_at = VALUES(next_at), gives_up_at = VALUES(gives_up_at),
          claimed_until = 0, claimed_by = '', settled_at = NULL`,
};

export const COUNT_DELIVERIES: Statement = {
  summary: 'SELECT delivery counts',
  sql: `SELECT state, COUNT(*) AS deliveries, MIN(happened_at) AS oldest FROM delivery
        WHERE merchant_id = ? AND state <> 'delivered' GROUP BY state`,
};

export const SELECT_DEAD: Statement = {
  summary: 'SELECT delivery dead',
  sql: `SELECT d.endpoint_id, d.attempts, d.last_status, d.last_why, d.settled_at, e.number, e.version, e.kind, e.happened_at
        FROM delivery d JOIN merchant_event e ON e.seq = d.seq
        WHERE d.merchant_id = ? AND d.state = 'dead' ORDER BY d.happened_at LIMIT ?`,
};

export const SELECT_EVENTS_AFTER: Statement = {
  summary: 'SELECT merchant_event after',
  sql: `SELECT seq, order_no, number, version, kind, happened_at FROM merchant_event
        WHERE merchant_id = ? AND seq > ? ORDER BY seq LIMIT ?`,
};

export const SELECT_ENDS: Statement = {
  summary: 'SELECT merchant_event ends',
  sql: `SELECT s.forgotten_to, (SELECT MAX(seq) FROM merchant_event) AS last_seq FROM store_state s WHERE s.id = 1`,
};

/** The last of a run of events that are too old; those behind it may wait for the next look. */
export const SELECT_OLD: Statement = {
  summary: 'SELECT merchant_event old',
  sql: 'SELECT MAX(seq) AS seq FROM (SELECT seq FROM merchant_event WHERE recorded_at < ? ORDER BY recorded_at, seq LIMIT 1000) old',
};

export const NOTE_FORGOTTEN: Statement = {
  summary: 'UPDATE store_state forgotten',
  sql: 'UPDATE store_state SET forgotten_to = GREATEST(forgotten_to, ?) WHERE id = 1',
};

export const DELETE_DELIVERIES: Statement = {
  summary: 'DELETE delivery',
  sql: `DELETE FROM delivery WHERE seq <= ? AND state <> 'waiting' LIMIT 5000`,
};

export const DELETE_EVENTS: Statement = {
  summary: 'DELETE merchant_event',
  sql: `DELETE FROM merchant_event WHERE seq <= ? AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.seq = merchant_event.seq) LIMIT 1000`,
};
