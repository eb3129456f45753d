import { type OrderNo, toOrderKey } from '@tillmesh/domain';
import { big, optionalText, optionalWhole, orderNoOf, text, whole } from './columns.ts';
import { bigintParameter, type Connection, type Deadline, type Row, type Statement } from './connection.ts';
import { SELECT_PAYMENT } from './order-statements.ts';
import type { RowCodec } from './payment-rows.ts';
import { SELECT_REFUNDS_OF_ORDER } from './refund-statements.ts';
import { type KeptStatement, STATEMENT_COLUMNS, statementOf } from './statement-store.ts';
import type { StoredPayment, StoredRefund } from './stored-payment.ts';

/** So many lines of one payment are read; a payment with 9 attempts that is asked after for a day has some hundred. */
export const TRAJECTORY_LINES_MAX = 2_000;

/** One change of a payment or of one of its refunds, as a trigger wrote it in the commit of the change. */
export type TrajectoryRow = {
  /** Grows within a group, in the order in which the changes were begun. */
  readonly id: bigint;
  /** Undefined where the payment itself changed. */
  readonly refundNo: OrderNo | undefined;
  readonly happenedAtMs: number;
  /** Such as `payment_moved`, `payment_noted`, `refund_created`. */
  readonly event: string;
  /** Of the payment or the refund, after the change. */
  readonly state: string;
  readonly version: number;
  readonly attemptNo: number | undefined;
  readonly attemptState: string | undefined;
  readonly learnedBy: string | undefined;
  /** The channel's last word, or ours for what happened, such as `refund_reserved`. */
  readonly code: string;
  /** The service that made the change. */
  readonly source: string;
};

/** All that the order's group knows of how a payment came to be as it is. */
export type Trajectory = {
  readonly stored: StoredPayment;
  /** The service that wrote the order. */
  readonly createdBy: string;
  readonly refunds: readonly StoredRefund[];
  /** What persons said, of whatever item, in the order in which they said it. */
  readonly statements: readonly KeptStatement[];
  /** In order; the creation itself has no row. */
  readonly rows: readonly TrajectoryRow[];
  /** Whether there are more rows than are read. */
  readonly isCut: boolean;
};

const SELECT_CREATED_BY: Statement = {
  summary: 'SELECT payment created_by',
  sql: 'SELECT created_by FROM payment WHERE order_no = ?',
};

const SELECT_TRAJECTORY: Statement = {
  summary: 'SELECT trajectory',
  sql: `SELECT id, refund_no, happened_at, event, state, version, attempt_no, attempt_state, learned_by, code, source
        FROM trajectory WHERE order_no = ? ORDER BY id LIMIT ${TRAJECTORY_LINES_MAX + 1}`,
};

const SELECT_STATEMENTS_OF_ORDER: Statement = {
  summary: 'SELECT person_statement',
  sql: `SELECT ${STATEMENT_COLUMNS} FROM person_statement
        WHERE order_no = ? ORDER BY said_at, item, statement_no`,
};

const rowOf = (row: Row): TrajectoryRow => ({
  id: big(row, 'id'),
  refundNo: optionalText(row, 'refund_no') === undefined ? undefined : orderNoOf(row, 'refund_no'),
  happenedAtMs: whole(row, 'happened_at'),
  event: text(row, 'event'),
  state: text(row, 'state'),
  version: whole(row, 'version'),
  attemptNo: optionalWhole(row, 'attempt_no'),
  attemptState: optionalText(row, 'attempt_state'),
  learnedBy: optionalText(row, 'learned_by'),
  code: text(row, 'code'),
  source: text(row, 'source'),
});

/**
 * Reads a payment with everything that happened to it, on one connection.
 *
 * @throws {RowTampered} where the payment or a refund does not bear its seal.
 */
export const selectTrajectory =
  (codec: RowCodec, orderNo: OrderNo) =>
  async (connection: Connection, deadline: Deadline): Promise<Trajectory | undefined> => {
    const key = [bigintParameter(toOrderKey(orderNo))];
    // The lines first: whatever they tell of, the payment that is read behind them shows it.
    const lines = (await connection.run(SELECT_TRAJECTORY, key, deadline)).rows;
    const refunds = (await connection.run(SELECT_REFUNDS_OF_ORDER, key, deadline)).rows;
    const statements = (await connection.run(SELECT_STATEMENTS_OF_ORDER, key, deadline)).rows;
    const stored = codec.readPayment((await connection.run(SELECT_PAYMENT, key, deadline)).rows);
    const [creation] = (await connection.run(SELECT_CREATED_BY, key, deadline)).rows;
    if (stored === undefined || creation === undefined) return undefined;
    return {
      stored,
      createdBy: text(creation, 'created_by'),
      refunds: refunds.flatMap((row) => codec.readRefund([row]) ?? []),
      statements: statements.map(statementOf),
      rows: lines.slice(0, TRAJECTORY_LINES_MAX).map(rowOf),
      isCut: lines.length > TRAJECTORY_LINES_MAX,
    };
  };
