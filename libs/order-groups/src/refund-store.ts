import type { Clock } from '@tillmesh/clock';
import {
  type AttemptNo,
  groupTagOf,
  isFinal,
  type LearnedBy,
  type MerchantRefundNo,
  type Money,
  money,
  type OrderNo,
  REFUND_MOVES,
  type RefundNews,
  type RefundState,
  settleRefund,
  subtractMoney,
  toOrderKey,
} from '@tillmesh/domain';
import { counter, type Log } from '@tillmesh/telemetry';
import { bigintParameter, type Connection, type Deadline, type Parameter } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import type { GroupClients } from './group-clients.ts';
import type { OrderNumberSource } from './order-number-source.ts';
import * as sql from './order-statements.ts';
import { refundOfRows, type StoredPayment, type StoredRefund } from './payment-rows.ts';
import type { PaymentStore } from './payment-store.ts';
import { transaction } from './transaction.ts';

export type NewRefund = {
  readonly orderNo: OrderNo;
  readonly merchantRefundNo: MerchantRefundNo;
  /** Undefined: all that is left. */
  readonly amount: Money | undefined;
  readonly reason: string;
  readonly firstCheckAfterMs: number;
  readonly source: string;
};

export type RefundCreated =
  | { readonly kind: 'created'; readonly stored: StoredRefund; readonly of: StoredPayment }
  | { readonly kind: 'existing'; readonly stored: StoredRefund; readonly of: StoredPayment }
  | { readonly kind: 'payment_unknown' }
  | { readonly kind: 'not_paid'; readonly of: StoredPayment }
  | { readonly kind: 'other_currency'; readonly of: StoredPayment }
  | { readonly kind: 'exceeds'; readonly refundable: Money };

export type ChannelRefundNews = {
  readonly news: RefundNews;
  readonly learnedBy: LearnedBy;
  readonly channelRefundId: string;
  readonly channelCode: string;
  readonly nextCheckAfterMs: number;
  readonly source: string;
};

/** Refunds, in the group of their payment. */
export type RefundStore = {
  create(refund: NewRefund): Promise<RefundCreated>;
  read(refundNo: OrderNo): Promise<StoredRefund | undefined>;
  readOfOrder(orderNo: OrderNo, merchantRefundNo: MerchantRefundNo): Promise<StoredRefund | undefined>;
  /** The one place where news moves a refund. */
  apply(
    refundNo: OrderNo,
    news: ChannelRefundNews,
  ): Promise<{ readonly stored: StoredRefund; readonly changed: boolean } | undefined>;
  schedule(refundNo: OrderNo, afterMs: number, needsPerson: string): Promise<void>;
};

const TRIES_MAX = 5;
const held = counter('tillmesh_refunds_held_total', 'News about refunds that contradicts what is known.');
const key = (orderNo: OrderNo) => bigintParameter(toOrderKey(orderNo));

/** Creates the store of refunds over the groups. */
export const createRefundStore = (options: {
  readonly groups: GroupClients;
  readonly payments: PaymentStore;
  readonly numbers: OrderNumberSource;
  readonly statementMsMax: number;
  readonly clock: Clock;
  readonly log: Log;
}): RefundStore => {
  const { groups, payments, numbers, statementMsMax, clock, log } = options;
  const within = (): Deadline => ({ atMs: clock.monotonicMs() + statementMsMax });

  const select = async (
    tagOf: OrderNo,
    way: 'read' | 'write',
    statement: typeof sql.SELECT_REFUND,
    parameters: readonly Parameter[],
  ): Promise<StoredRefund | undefined> => {
    const client = groups.find(groupTagOf(tagOf));
    if (client === undefined) return undefined;
    const deadline = within();
    const work = async (connection: Connection) =>
      refundOfRows((await connection.run(statement, parameters, deadline)).rows);
    return way === 'read' ? (await client.read(deadline, work)).value : client.write(deadline, work);
  };

  const readOfOrder: RefundStore['readOfOrder'] = (orderNo, merchantRefundNo) =>
    select(orderNo, 'read', sql.SELECT_REFUND_OF_ORDER, [key(orderNo), merchantRefundNo]);

  const create = async (refund: NewRefund): Promise<RefundCreated> => {
    const { orderNo, merchantRefundNo } = refund;
    const of = (await payments.read(orderNo))?.stored;
    if (of === undefined) return { kind: 'payment_unknown' };
    const before = await readOfOrder(orderNo, merchantRefundNo);
    if (before !== undefined) return { kind: 'existing', stored: before, of };
    const { payment } = of;
    const paidBy = payment.attempts.find(({ state }) => state === 'succeeded');
    if (payment.state !== 'succeeded' || paidBy === undefined) return { kind: 'not_paid', of };
    if (refund.amount !== undefined && refund.amount.currency !== payment.amount.currency)
      return { kind: 'other_currency', of };
    const refundable = subtractMoney(payment.amount, payment.refundReserved);
    const amount = refund.amount ?? refundable;
    if (amount.minorUnits === 0n || amount.minorUnits > refundable.minorUnits) return { kind: 'exceeds', refundable };

    const refundNo = await numbers.next(groupTagOf(orderNo));
    const written = await insert(refund, refundNo, amount, paidBy.attemptNo);
    const after = (await payments.read(orderNo))?.stored ?? of;
    if (written === 'exceeds') {
      return { kind: 'exceeds', refundable: subtractMoney(after.payment.amount, after.payment.refundReserved) };
    }
    const stored = await select(orderNo, 'write', sql.SELECT_REFUND_OF_ORDER, [key(orderNo), merchantRefundNo]);
    if (stored === undefined) throw new DatabaseError('TILLMESH_REFUND_UNREAD', 'ambiguous');
    return { kind: written === 'created' ? 'created' : 'existing', stored, of: after };
  };

  /** Reserves the amount and writes the refund, in one commit. The database itself guards the sum. */
  const insert = async (
    refund: NewRefund,
    refundNo: OrderNo,
    amount: Money,
    attemptNo: AttemptNo,
  ): Promise<'created' | 'existing' | 'exceeds'> => {
    const { orderNo, merchantRefundNo, source } = refund;
    const deadline = within();
    const nowMs = clock.nowMs();
    const units = bigintParameter(amount.minorUnits);
    try {
      return await groups.of(groupTagOf(orderNo)).write(deadline, (connection) =>
        transaction(connection, deadline, async () => {
          const reserved = await connection.run(
            sql.RESERVE_REFUND,
            [units, nowMs, source, key(orderNo), units],
            deadline,
          );
          if (reserved.affectedRows === 0) return { commit: false, value: 'exceeds' as const };
          await connection.run(
            sql.INSERT_REFUND,
            [
              key(refundNo),
              key(orderNo),
              merchantRefundNo,
              amount.currency,
              units,
              'merchant',
              refund.reason,
              attemptNo,
              nowMs,
              nowMs,
              nowMs + refund.firstCheckAfterMs,
              source,
            ],
            deadline,
          );
          return { commit: true, value: 'created' as const };
        }),
      );
    } catch (error) {
      // Somebody wrote the same merchant refund number first; the reservation was rolled back.
      if (error instanceof DatabaseError && error.duplicateKey === 'merchant_refund') return 'existing';
      throw error;
    }
  };

  const write = async (
    stored: StoredRefund,
    to: RefundState,
    needsPerson: string,
    { learnedBy, channelRefundId, channelCode, nextCheckAfterMs, source }: ChannelRefundNews,
  ): Promise<boolean> => {
    const { refund } = stored;
    const nowMs = clock.nowMs();
    const final = isFinal(REFUND_MOVES, to);
    const zero = money(refund.amount.currency, 0n);
    // Surplus money was never part of what the payment took: it moves no sums.
    const ofPayment = refund.cause === 'merchant' ? refund.amount : zero;
    const freed = to === 'failed' && refund.state !== 'failed' ? ofPayment : zero;
    const given = to === 'succeeded' && refund.state !== 'succeeded' ? ofPayment : zero;
    const deadline = within();
    const id = channelRefundId.slice(0, 64);
    const { affectedRows } = await groups
      .of(groupTagOf(refund.refundNo))
      .write(deadline, (connection) =>
        connection.run(
          sql.APPLY_TO_REFUND,
          [
            to,
            id,
            id,
            channelCode.slice(0, 64),
            learnedBy,
            needsPerson.slice(0, 255),
            nowMs,
            final ? nowMs : null,
            final ? null : nowMs + nextCheckAfterMs,
            source,
            bigintParameter(freed.minorUnits),
            bigintParameter(given.minorUnits),
            key(refund.refundNo),
            refund.version,
          ],
          deadline,
        ),
      );
    return affectedRows > 0;
  };

  return {
    create,
    read: (refundNo) => select(refundNo, 'read', sql.SELECT_REFUND, [key(refundNo)]),
    readOfOrder,
    apply: async (refundNo, news) => {
      for (let tries = 0; tries < TRIES_MAX; tries += 1) {
        const stored = await select(refundNo, 'write', sql.SELECT_REFUND, [key(refundNo)]);
        if (stored === undefined) return undefined;
        const settlement = settleRefund(stored.refund, news.news);
        if (settlement.kind === 'unchanged') return { stored, changed: false };
        if (settlement.kind === 'hold') {
          if (stored.needsPerson === settlement.why) return { stored, changed: false };
          held.add();
          log.error({ refundNo, why: settlement.why }, 'a refund is held for a person');
          if (await write(stored, stored.refund.state, settlement.why, news)) return { stored, changed: false };
          continue;
        }
        if (!(await write(stored, settlement.to, '', news))) continue;
        const after = await select(refundNo, 'write', sql.SELECT_REFUND, [key(refundNo)]);
        return { stored: after ?? stored, changed: true };
      }
      throw new DatabaseError('TILLMESH_VERSION_CONFLICT', 'not_written');
    },
    schedule: async (refundNo, afterMs, needsPerson) => {
      const deadline = within();
      const note = needsPerson.slice(0, 255);
      await groups
        .of(groupTagOf(refundNo))
        .write(deadline, (connection) =>
          connection.run(sql.SCHEDULE_REFUND, [clock.nowMs() + afterMs, note, note, key(refundNo)], deadline),
        );
    },
  };
};
