import type { Statement } from './connection.ts';

// Lists of a merchant, and what has changed. Ids and limits travel as 64-bit numbers: MySQL takes no other ones for LIMIT.

/** Numbers alone: the index answers. */
export const SELECT_MERCHANT_KEYS: Statement = {
  summary: 'SELECT payment keys of merchant',
  sql: `SELECT order_no FROM payment FORCE INDEX (of_merchant) WHERE merchant_id = ? AND order_no >= ? AND order_no < ?
        ORDER BY order_no DESC LIMIT ?`,
};

/** Numbers with their states: a row is looked at for each. */
export const SELECT_MERCHANT_STATES: Statement = {
  summary: 'SELECT payment states of merchant',
  sql: `SELECT order_no, state FROM payment FORCE INDEX (of_merchant) WHERE merchant_id = ? AND order_no >= ? AND order_no < ?
        ORDER BY order_no DESC LIMIT ?`,
};

/** A run of whole payments in the order of their numbers. */
export const SELECT_KEYS_AFTER: Statement = {
  summary: 'SELECT payment keys after',
  sql: 'SELECT order_no FROM payment WHERE order_no > ? ORDER BY order_no LIMIT ?',
};

/** The same up to before another number. */
export const SELECT_KEYS_BETWEEN: Statement = {
  summary: 'SELECT payment keys between',
  sql: 'SELECT order_no FROM payment WHERE order_no > ? AND order_no < ? ORDER BY order_no LIMIT ?',
};

export const SELECT_LAST_KEY: Statement = {
  summary: 'SELECT last payment key',
  sql: 'SELECT MAX(order_no) AS order_no FROM payment',
};

/** How many ranges of ids one statement looks through. */
export const RANGES_IN_STATEMENT = 16;

const RANGES = (column: string): string =>
  Array.from({ length: RANGES_IN_STATEMENT }, () => `${column} BETWEEN ? AND ?`).join(' OR ');

// New orders. Their first version is their INSERT.
const ARRIVALS = 'SELECT arrival AS id, order_no, 1 AS version, NULL AS happened_at, NULL AS event FROM merchant_order';
// Changes. A refund's line tells its own version, not that of its payment, whose own line comes with it.
const CHANGES = `SELECT id, order_no, IF(refund_no IS NULL, version, 0) AS version, happened_at, event, state, version AS line_version,
  refund_no FROM trajectory`;

/** The two streams of a group's outbox: each row is written in the commit that it tells of. */
export const STREAMS = {
  arrivals: {
    after: { summary: 'SELECT arrivals', sql: `${ARRIVALS} WHERE arrival > ? ORDER BY arrival LIMIT ?` },
    within: { summary: 'SELECT late arrivals', sql: `${ARRIVALS} WHERE ${RANGES('arrival')} LIMIT ?` },
    last: { summary: 'SELECT last arrival', sql: 'SELECT MAX(arrival) AS id FROM merchant_order' },
  },
  changes: {
    after: { summary: 'SELECT changes', sql: `${CHANGES} WHERE id > ? ORDER BY id LIMIT ?` },
    within: { summary: 'SELECT late changes', sql: `${CHANGES} WHERE ${RANGES('id')} LIMIT ?` },
    last: { summary: 'SELECT last change', sql: 'SELECT MAX(id) AS id FROM trajectory' },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<'after' | 'within' | 'last', Statement>>>>;

export type StreamName = keyof typeof STREAMS;
