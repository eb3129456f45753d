import type { GroupTag } from '@tillmesh/domain';
import { bytes, optionalWhole, text, whole } from '../columns.ts';
import type { Connection, Deadline, Row, Statement } from '../connection.ts';
import { DatabaseError } from '../database-error.ts';
import { MoveRefused } from './move-refused.ts';

const CLAIM_COLUMNS = 'merchant_id, merchant_order_no, order_no, state, home_tag, is_closed, created_at, updated_at';
const CLAIMS_AT_ONCE = 500;

const COUNT_CLAIMS: Statement = {
  summary: 'SELECT jump_claim count',
  sql: 'SELECT COUNT(*) AS claims, COALESCE(SUM(is_closed = FALSE), 0) AS open FROM jump_claim',
};
const SELECT_CLAIMS: Statement = {
  summary: 'SELECT jump_claim to move',
  sql: `SELECT ${CLAIM_COLUMNS} FROM jump_claim WHERE (merchant_id, merchant_order_no) > (?, ?)
        ORDER BY merchant_id, merchant_order_no LIMIT ${CLAIMS_AT_ONCE}`,
};
const SELECT_CLAIM: Statement = {
  summary: 'SELECT jump_claim copy',
  sql: `SELECT ${CLAIM_COLUMNS} FROM jump_claim WHERE merchant_id = ? AND merchant_order_no = ?`,
};
const INSERT_CLAIM_COPY: Statement = {
  summary: 'INSERT jump_claim copy',
  sql: `INSERT INTO jump_claim (${CLAIM_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
};
// A jump of the successor's own that came to nothing, and one that was bound: the bound one is the number's order.
const REPLACE_ABANDONED: Statement = {
  summary: 'UPDATE jump_claim replace',
  sql: `UPDATE jump_claim SET order_no = ?, state = 'bound', home_tag = ?, is_closed = TRUE, updated_at = ?
        WHERE merchant_id = ? AND merchant_order_no = ? AND state = 'abandoned'`,
};

/** How many claims a group has, and how many of them nobody has brought to their end. */
export const countClaims = async (
  connection: Connection,
  deadline: Deadline,
): Promise<{ readonly claims: number; readonly open: number }> => {
  const [row] = (await connection.run(COUNT_CLAIMS, [], deadline)).rows;
  return { claims: whole(row, 'claims'), open: whole(row, 'open') };
};

const valuesOf = (row: Row) => [
  text(row, 'merchant_id'),
  text(row, 'merchant_order_no'),
  text(row, 'order_no'),
  text(row, 'state'),
  whole(row, 'home_tag'),
  whole(row, 'is_closed'),
  whole(row, 'created_at'),
  whole(row, 'updated_at'),
];

/** What the target has to say of a claim's number. */
const isAnswered = (source: Row, there: Row | undefined): boolean =>
  there !== undefined &&
  (text(source, 'state') === 'abandoned' ||
    (text(there, 'state') === 'bound' && text(there, 'order_no') === text(source, 'order_no')));

const copyClaim = async (target: Connection, row: Row, deadline: Deadline): Promise<void> => {
  const merchant = [text(row, 'merchant_id'), text(row, 'merchant_order_no')];
  try {
    await target.run(INSERT_CLAIM_COPY, valuesOf(row), deadline);
    return;
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.duplicateKey === undefined) throw error;
  }
  if (text(row, 'state') === 'bound') {
    const replaced = [text(row, 'order_no'), whole(row, 'home_tag'), whole(row, 'updated_at'), ...merchant];
    await target.run(REPLACE_ABANDONED, replaced, deadline);
  }
  const [there] = (await target.run(SELECT_CLAIM, merchant, deadline)).rows;
  if (!isAnswered(row, there)) {
    throw new MoveRefused(
      `the merchant order number ${merchant.join('/')} has a jump to another order at the successor; wait for the sweep to end it and run the same command again`,
    );
  }
};

/** Copies every claim, each compared with what the target then says. None of them changes any more: all are at their end. */
export const copyClaims = async (
  { source, target }: { readonly source: Connection; readonly target: Connection },
  deadline: Deadline,
): Promise<number> => {
  let copied = 0;
  for (let after: readonly [string, string] = ['', '']; ; ) {
    const { rows } = await source.run(SELECT_CLAIMS, after, deadline);
    for (const row of rows) await copyClaim(target, row, deadline);
    copied += rows.length;
    const last = rows.at(-1);
    if (last === undefined || rows.length < CLAIMS_AT_ONCE) return copied;
    after = [text(last, 'merchant_id'), text(last, 'merchant_order_no')];
  }
};

const SELECT_EVENTS: Statement = {
  summary: 'SELECT pending_event to move',
  sql: 'SELECT group_tag, digest, number, kind, news, created_at FROM pending_event WHERE replayed_at IS NULL ORDER BY id',
};
const INSERT_EVENT_COPY: Statement = {
  summary: 'INSERT pending_event copy',
  sql: `INSERT INTO pending_event (group_tag, digest, number, kind, news, created_at) VALUES (?, ?, ?, ?, ?, ?)
        ON DUPLICATE KEY UPDATE created_at = pending_event.created_at`,
};
const HAS_EVENT: Statement = {
  summary: 'SELECT pending_event copy',
  sql: 'SELECT COUNT(*) AS events FROM pending_event WHERE number = ? AND digest = ?',
};

/** Copies what the group keeps for others and could not hand on yet. */
export const copyEvents = async (
  { source, target, tag }: { readonly source: Connection; readonly target: Connection; readonly tag: GroupTag },
  deadline: Deadline,
): Promise<number> => {
  const { rows } = await source.run(SELECT_EVENTS, [], deadline);
  for (const row of rows) {
    const [number, digest] = [text(row, 'number'), bytes(row, 'digest')];
    const values = [
      whole(row, 'group_tag'),
      digest,
      number,
      text(row, 'kind'),
      bytes(row, 'news'),
      whole(row, 'created_at'),
    ];
    await target.run(INSERT_EVENT_COPY, values, deadline);
    const { rows: found } = await target.run(HAS_EVENT, [number, digest], deadline);
    if (optionalWhole(found[0], 'events') !== 1) {
      throw new MoveRefused(
        `news that group ${tag} keeps for another group is not at the successor; run the same command again`,
      );
    }
  }
  return rows.length;
};
