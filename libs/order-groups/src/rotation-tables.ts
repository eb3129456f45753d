import { toOrderKey } from '@tillmesh/domain';
import { big, bytes, optionalBytes, orderNoOf } from './columns.ts';
import { bigintParameter, type Connection, type Deadline, type Row, type Statement } from './connection.ts';
import { SELECT_PAYMENT } from './order-statements.ts';
import type { RowCodec } from './payment-rows.ts';
import { SELECT_REFUND } from './refund-statements.ts';

/** A table whose rows carry a key's id, and how one of its rows is written with the present key. */
export type RotatedTable = {
  readonly name: 'payment' | 'refund' | 'pending_event';
  /** Rows beyond `k`, in order: `k` itself, and the first byte of each column that begins with a key's id. */
  readonly scan: Statement;
  /**
   * Checks and opens the row with the keys it names, then seals and encrypts it with the present one, unless somebody changed it
   * meanwhile. Versions, times and trajectory stay: nothing about the payment has happened.
   *
   * @throws {RowTampered} where it does not fit its keys; nothing is written then.
   */
  readonly rewrite: (connection: Connection, k: bigint, deadline: Deadline) => Promise<void>;
};

// Changed meanwhile: who changed it took the present key, or the next pass finds it again.
const UPDATE_PAYMENT: Statement = {
  summary: 'UPDATE payment keys',
  sql: `UPDATE payment SET seal = ?, subject = ?, action = ?, details = ?
        WHERE order_no = ? AND seal = ? AND subject = ? AND action <=> ? AND details <=> ?`,
};
const UPDATE_REFUND: Statement = {
  summary: 'UPDATE refund keys',
  sql: 'UPDATE refund SET seal = ?, reason = ? WHERE order_no = ? AND refund_no = ? AND seal = ? AND reason = ?',
};
const SELECT_PENDING_EVENT: Statement = {
  summary: 'SELECT pending_event',
  sql: 'SELECT id, number, news FROM pending_event WHERE id = ?',
};
const UPDATE_PENDING_EVENT: Statement = {
  summary: 'UPDATE pending_event keys',
  sql: 'UPDATE pending_event SET news = ? WHERE id = ? AND news = ?',
};

const scanOf = (table: string, key: string, columns: readonly string[]): Statement => ({
  summary: `SELECT ${table} keys`,
  sql: `SELECT ${key} AS k, ${columns.map((column, place) => `ASCII(${column}) AS id${place}`).join(', ')}
        FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT ?`,
});

/** The tables over a codec that has all keys. */
export const rotatedTables = ({ seal, cipher, readPayment, readRefund }: RowCodec): readonly RotatedTable[] => {
  type Number = Parameters<typeof cipher.encrypt>[1];
  const again = (column: string, number: Number, stored: Buffer): Buffer =>
    stored.length === 0 ? stored : cipher.encrypt(column, number, cipher.decrypt(column, number, stored));

  const rowsOf = async (connection: Connection, statement: Statement, k: bigint, deadline: Deadline) =>
    (await connection.run(statement, [bigintParameter(k)], deadline)).rows;

  const payment = (rows: readonly Row[]) => {
    const stored = readPayment(rows);
    const [row] = rows;
    if (stored === undefined || row === undefined) return undefined;
    const { orderNo, state } = stored.payment;
    const facts = { ...stored.payment, isPaid: state === 'succeeded' };
    const before = {
      seal: bytes(row, 'seal'),
      subject: bytes(row, 'subject'),
      action: optionalBytes(row, 'action'),
      details: optionalBytes(row, 'details'),
    };
    // A stub has no seal. What readers of a void row do not look at is checked here all the same.
    if (before.seal.length > 0) seal.checkPayment(facts, before.seal);
    return {
      orderNo,
      before,
      after: {
        seal: before.seal.length === 0 ? before.seal : seal.ofPayment(facts),
        subject: again('subject', orderNo, before.subject),
        action: before.action && again('action', orderNo, before.action),
        details: before.details && again('details', orderNo, before.details),
      },
    };
  };

  return [
    {
      name: 'payment',
      scan: scanOf('payment', 'order_no', ['seal', 'subject', 'action', 'details']),
      rewrite: async (connection, k, deadline) => {
        const row = payment(await rowsOf(connection, SELECT_PAYMENT, k, deadline));
        if (row === undefined) return;
        const { before, after } = row;
        const values = [after.seal, after.subject, after.action ?? null, after.details ?? null, bigintParameter(k)];
        const expected = [before.seal, before.subject, before.action ?? null, before.details ?? null];
        await connection.run(UPDATE_PAYMENT, [...values, ...expected], deadline);
      },
    },
    {
      name: 'refund',
      scan: scanOf('refund', 'refund_no', ['seal', 'reason']),
      rewrite: async (connection, k, deadline) => {
        const rows = await rowsOf(connection, SELECT_REFUND, k, deadline);
        const refund = readRefund(rows)?.refund;
        const [row] = rows;
        if (refund === undefined || row === undefined) return;
        const [sealBefore, reason] = [bytes(row, 'seal'), bytes(row, 'reason')];
        const sealAfter = seal.ofRefund({ ...refund, isGiven: refund.state === 'succeeded' });
        const which = [bigintParameter(toOrderKey(refund.orderNo)), bigintParameter(k)];
        const values = [sealAfter, again('reason', refund.refundNo, reason), ...which, sealBefore, reason];
        await connection.run(UPDATE_REFUND, values, deadline);
      },
    },
    {
      name: 'pending_event',
      scan: scanOf('pending_event', 'id', ['news']),
      rewrite: async (connection, k, deadline) => {
        const [row] = await rowsOf(connection, SELECT_PENDING_EVENT, k, deadline);
        if (row === undefined) return;
        const news = bytes(row, 'news');
        const after = again('news', orderNoOf(row, 'number'), news);
        await connection.run(UPDATE_PENDING_EVENT, [after, bigintParameter(big(row, 'id')), news], deadline);
      },
    },
  ];
};
