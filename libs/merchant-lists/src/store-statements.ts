import type { Statement } from '@tillmesh/order-groups';

const COLUMNS = 7;

/**
 * Writes payments unless what stands there is as new. `version` comes last: the others compare with the old one.
 *
 * @param rows one of few sizes: each is a statement of its own on the server.
 */
export const applyPayments = (rows: number): Statement => {
  const newer = (column: string): string => `${column} = IF(VALUES(version) > version, VALUES(${column}), ${column})`;
  return {
    summary: 'INSERT merchant_payment',
    sql: `INSERT INTO merchant_payment (merchant_id, order_no, version, state, content, changed_at, applied_at)
          VALUES ${Array.from({ length: rows }, () => `(${'?, '.repeat(COLUMNS - 1)}?)`).join(', ')}
          ON DUPLICATE KEY UPDATE ${['state', 'content', 'changed_at', 'applied_at', 'version'].map(newer).join(', ')}`,
  };
};

/** A page. Of rows in other states only the key comes: it tells how far was looked. */
export const SELECT_PAGE: Statement = {
  summary: 'SELECT merchant_payment page',
  sql: `SELECT order_no, state, IF(FIND_IN_SET(state, ?) > 0, content, NULL) AS content FROM merchant_payment
        WHERE merchant_id = ? AND order_no >= ? AND order_no < ? ORDER BY order_no DESC LIMIT ?`,
};

export const SELECT_STATUS: Statement = {
  summary: 'SELECT list status',
  sql: `SELECT s.phase, s.generation, c.group_tag, c.complete_at FROM list_state s LEFT JOIN group_cursor c ON TRUE WHERE s.id = 1`,
};

export const SET_PHASE: Statement = {
  summary: 'UPDATE list_state',
  sql: 'UPDATE list_state SET phase = ?, generation = generation + ? WHERE id = 1',
};

export const CLEAR_PAYMENTS: Statement = {
  summary: 'TRUNCATE merchant_payment',
  sql: 'TRUNCATE TABLE merchant_payment',
  text: true,
};

export const CLEAR_PROGRESS: Statement = {
  summary: 'DELETE rebuild_progress',
  sql: 'DELETE FROM rebuild_progress',
};

export const SELECT_PROGRESS: Statement = {
  summary: 'SELECT rebuild_progress',
  sql: 'SELECT copied_to, copied_rows, is_done FROM rebuild_progress WHERE group_tag = ?',
};

export const SAVE_PROGRESS: Statement = {
  summary: 'INSERT rebuild_progress',
  sql: `INSERT INTO rebuild_progress (group_tag, copied_to, copied_rows, is_done) VALUES (?, ?, ?, ?)
        ON DUPLICATE KEY UPDATE copied_to = VALUES(copied_to), copied_rows = VALUES(copied_rows), is_done = VALUES(is_done)`,
};

export const LOCK_REBUILD: Statement = {
  summary: 'SELECT lock',
  sql: "SELECT GET_LOCK('tillmesh_lists_rebuild', 0) AS locked",
  text: true,
};
