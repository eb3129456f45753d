import type { Statement } from './connection.ts';

export const INSERT_CLAIM: Statement = {
  summary: 'INSERT jump_claim',
  sql: `INSERT INTO jump_claim (merchant_id, merchant_order_no, order_no, state, home_tag, created_at, updated_at)
        VALUES (?, ?, ?, 'open', ?, ?, ?)`,
};

const CLAIM = 'merchant_id, merchant_order_no, order_no, state, home_tag';

/** So many claims are read by one statement at most. */
export const CLAIMS_READ_MAX = 32;

/** Reads the claims of so many merchant order numbers. */
export const selectClaims = (count: number): Statement => ({
  summary: 'SELECT jump_claim',
  sql:
    count === 1
      ? `SELECT ${CLAIM} FROM jump_claim WHERE merchant_id = ? AND merchant_order_no = ?`
      : `SELECT ${CLAIM} FROM jump_claim WHERE (merchant_id, merchant_order_no) IN (${Array.from({ length: count }, () => '(?, ?)').join(', ')})`,
});

export const ABANDON_CLAIM: Statement = {
  summary: 'UPDATE jump_claim abandon',
  sql: `UPDATE jump_claim SET state = 'abandoned', updated_at = ?
        WHERE merchant_id = ? AND merchant_order_no = ? AND state = 'open'`,
};

/** Binds the claim and makes its order payable in one statement: whoever is acknowledged may pay. */
export const BIND_CLAIM: Statement = {
  summary: 'UPDATE jump_claim bind',
  sql: `UPDATE jump_claim c JOIN payment p ON p.order_no = c.order_no
        SET c.state = 'bound', c.updated_at = ?, p.state = 'paying', p.version = p.version + 1, p.updated_at = ?, p.next_check_at = ?,
            p.event_source = ?, p.token = ?
        WHERE c.merchant_id = ? AND c.merchant_order_no = ? AND c.order_no = ? AND c.state = 'open' AND p.order_no = ? AND p.state = 'unbound'`,
};

export const CLOSE_CLAIM: Statement = {
  summary: 'UPDATE jump_claim close',
  sql: `UPDATE jump_claim SET is_closed = TRUE, updated_at = ? WHERE merchant_id = ? AND merchant_order_no = ?`,
};

export const SELECT_CLAIMS_TO_SWEEP: Statement = {
  summary: 'SELECT claims to sweep',
  sql: `SELECT ${CLAIM}, created_at FROM jump_claim WHERE is_closed = FALSE AND created_at <= ? ORDER BY created_at LIMIT ?`,
  text: true,
};
