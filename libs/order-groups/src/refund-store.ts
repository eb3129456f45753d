import type { Clock } from '@tillmesh/clock';
import {
  type AttemptNo,
  addMoney,
  groupTagOf,
  isFinal,
  type LearnedBy,
  type MerchantRefundNo,
  type Money,
  type OrderNo,
  type Payment,
  REFUND_MOVES,
  type Refund,
  type RefundCause,
  type RefundNews,
  type RefundState,
  settleRefund,
  subtractMoney,
  toOrderKey,
} from '@tillmesh/domain';
import { counter, type Log } from '@tillmesh/telemetry';
import { bigintParameter, type Connection, type Deadline, type Parameter } from './connection.ts';
import { DatabaseError, OWN_CODES } from './database-error.ts';
import type { GroupClients } from './group-clients.ts';
import type { OrderNumberSource } from './order-number-source.ts';
import type { RowCodec } from './payment-rows.ts';
import type { PaymentStore } from './payment-store.ts';
import * as sql from './refund-statements.ts';
import type { StoredPayment, StoredRefund } from './stored-payment.ts';
import { readFound } from './sure-read.ts';
import { transaction } from './transaction.ts';

export type NewRefund = {
  readonly orderNo: OrderNo;
  readonly merchantRefundNo: MerchantRefundNo;
  /** Undefined: all that is left. */
  readonly amount: Money | undefined;
  readonly cause: RefundCause;
  readonly reason: string;
  /** On whose word, for the trajectory; empty where nobody was named. */
  readonly allowedBy?: string;
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

export type RefundApplied = {
  readonly stored: StoredRefund;
  readonly changed: boolean;
  /** Nothing moved, because the news contradicts what is known: why a person has to look. */
  readonly held?: string;
  /** The group is away: the news was written to another one and is applied as soon as it is back. */
  readonly kept: boolean;
};

/** Refunds, in the group of their payment. */
export type RefundStore = {
  create(refund: NewRefund): Promise<RefundCreated>;
  read(refundNo: OrderNo): Promise<StoredRefund | undefined>;
  readOfOrder(orderNo: OrderNo, merchantRefundNo: MerchantRefundNo): Promise<StoredRefund | undefined>;
  /** The one place where news moves a refund. */
  apply(refundNo: OrderNo, news: ChannelRefundNews): Promise<RefundApplied | undefined>;
  schedule(refundNo: OrderNo, afterMs: number, needsPerson: string): Promise<void>;
};

const TRIES_MAX = 5;
/** What the payment's trajectory says of money held for a refund. */
const RESERVED_FOR: Record<RefundCause, string> = { merchant: 'refund_reserved', surplus: 'second_order_refund' };
const held = counter('tillmesh_refunds_held_total', 'News about refunds that contradicts what is known.');
const key = (orderNo: OrderNo) => bigintParameter(toOrderKey(orderNo));
const units = ({ minorUnits }: Money) => bigintParameter(minorUnits);

/** Creates the store of refunds over the groups. */
export const createRefundStore = (options: {
  readonly groups: GroupClients;
  readonly payments: PaymentStore;
  readonly rows: RowCodec;
  readonly numbers: OrderNumberSource;
  readonly statementMsMax: number;
  readonly clock: Clock;
  readonly log: Log;
}): RefundStore => {
  const { groups, payments, rows, numbers, statementMsMax, clock, log } = options;
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
    const work = async (connection: Connection, until: Deadline) =>
      rows.readRefund((await connection.run(statement, parameters, until)).rows);
    return way === 'read' ? (await readFound(client, 'read', deadline, work)).value : client.write(deadline, work);
  };

  const readOfOrder: RefundStore['readOfOrder'] = (orderNo, merchantRefundNo) =>
    select(orderNo, 'read', sql.SELECT_REFUND_OF_ORDER, [key(orderNo), merchantRefundNo]);

  /** One try to write a refund, decided upon the payment as it is now. `lost`: the payment has changed meanwhile. */
  const tryCreate = async (refund: NewRefund): Promise<RefundCreated | 'lost'> => {
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

    // Its number leads to the group that holds its payment.
    const refundNo = await numbers.next(groups.of(groupTagOf(orderNo)).tag);
    if (refundNo === undefined) throw new DatabaseError(OWN_CODES.noNumber, 'not_written');
    const written = await insert(refund, payment, { refundNo, amount, attemptNo: paidBy.attemptNo });
    if (written === 'lost') return 'lost';
    const after = (await payments.read(orderNo))?.stored ?? of;
    const stored = await select(orderNo, 'write', sql.SELECT_REFUND_OF_ORDER, [key(orderNo), merchantRefundNo]);
    if (stored === undefined) throw new DatabaseError('TILLMESH_REFUND_UNREAD', 'ambiguous');
    return { kind: written, stored, of: after };
  };

  const create = async (refund: NewRefund): Promise<RefundCreated> => {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const created = await tryCreate(refund);
      if (created !== 'lost') return created;
    }
    throw new DatabaseError('TILLMESH_VERSION_CONFLICT', 'not_written');
  };

  /** Reserves the amount and writes the refund, in one commit. The database itself guards the sum. */
  const insert = async (
    { merchantRefundNo, cause, reason, allowedBy = '', firstCheckAfterMs, source }: NewRefund,
    payment: Payment,
    planned: { readonly refundNo: OrderNo; readonly amount: Money; readonly attemptNo: AttemptNo },
  ): Promise<'created' | 'existing' | 'lost'> => {
    const { refundNo, amount, attemptNo } = planned;
    const { orderNo } = payment;
    const deadline = within();
    const nowMs = clock.nowMs();
    const refundReserved = addMoney(payment.refundReserved, amount);
    const reserve = [
      units(refundReserved),
      rows.seal.ofPayment({ ...payment, isPaid: true, refundReserved }),
      nowMs,
      allowedBy === '' ? RESERVED_FOR[cause] : `${RESERVED_FOR[cause]} ${allowedBy}`,
      source,
      key(orderNo),
      payment.version,
    ];
    const values = [
      key(refundNo),
      key(orderNo),
      merchantRefundNo,
      amount.currency,
      units(amount),
      cause,
      rows.cipher.encrypt('reason', refundNo, reason),
      attemptNo,
      nowMs,
      nowMs,
      nowMs + firstCheckAfterMs,
      rows.seal.ofRefund({ refundNo, orderNo, amount, isGiven: false }),
      source,
    ];
    try {
      return await groups.of(groupTagOf(orderNo)).write(
        deadline,
        (connection) =>
          transaction(connection, deadline, async () => {
            const reserved = await connection.run(sql.RESERVE_REFUND, reserve, deadline);
            if (reserved.affectedRows === 0) return { commit: false, value: 'lost' as const };
            await connection.run(sql.INSERT_REFUND, values, deadline);
            return { commit: true, value: 'created' as const };
          }),
        (end) => end === 'created',
      );
    } catch (error) {
      // Somebody wrote the same merchant refund number first; the reservation was rolled back.
      if (error instanceof DatabaseError && error.duplicateKey === 'merchant_refund') return 'existing';
      throw error;
    }
  };

  /** Whether it was written; false where refund or payment have changed meanwhile. */
  const write = async (
    stored: StoredRefund,
    to: RefundState,
    needsPerson: string,
    { learnedBy, channelRefundId, channelCode, nextCheckAfterMs, source }: ChannelRefundNews,
  ): Promise<boolean> => {
    const { refund } = stored;
    const nowMs = clock.nowMs();
    const final = isFinal(REFUND_MOVES, to);
    const id = channelRefundId.slice(0, 64);
    const news = [
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
      rows.seal.ofRefund({ ...refund, isGiven: to === 'succeeded' }),
    ];
    const which = [key(refund.orderNo), key(refund.refundNo), refund.version];
    const sums = await sumsAfter(refund, to);
    const deadline = within();
    const { affectedRows } = await groups.of(groupTagOf(refund.refundNo)).write(
      deadline,
      (connection) =>
        sums === undefined
          ? connection.run(sql.APPLY_TO_REFUND, [...news, ...which], deadline)
          : connection.run(sql.APPLY_TO_REFUND_AND_SUMS, [...news, ...sums.values, ...which, sums.version], deadline),
      (answer) => answer.affectedRows > 0,
    );
    return affectedRows > 0;
  };

  /** The payment's sums where this move changes them. Money of an attempt that did not pay was never part of what the payment took. */
  const sumsAfter = async (refund: Refund, to: RefundState) => {
    const isFreed = to === 'failed' && refund.state !== 'failed';
    const isGiven = to === 'succeeded' && refund.state !== 'succeeded';
    if (!isFreed && !isGiven) return undefined;
    const payment = (await payments.read(refund.orderNo))?.stored.payment;
    if (payment === undefined) throw new DatabaseError('TILLMESH_PAYMENT_UNREAD', 'not_written');
    const attempt = payment.attempts.find(({ attemptNo }) => attemptNo === refund.attemptNo);
    if (attempt?.state !== 'succeeded') return undefined;
    const refundReserved = isFreed ? subtractMoney(payment.refundReserved, refund.amount) : payment.refundReserved;
    const refunded = isGiven ? addMoney(payment.refunded, refund.amount) : payment.refunded;
    const seal = rows.seal.ofPayment({ ...payment, isPaid: true, refundReserved, refunded });
    return { values: [units(refundReserved), units(refunded), seal], version: payment.version };
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
        if (settlement.kind === 'unchanged') return { stored, changed: false, kept: false };
        if (settlement.kind === 'hold') {
          const answer = { stored, changed: false, held: settlement.why, kept: false };
          if (stored.needsPerson === settlement.why) return answer;
          held.add();
          log.error({ refundNo, why: settlement.why }, 'a refund is held for a person');
          if (await write(stored, stored.refund.state, settlement.why, news)) return answer;
          continue;
        }
        if (!(await write(stored, settlement.to, '', news))) continue;
        const after = await select(refundNo, 'write', sql.SELECT_REFUND, [key(refundNo)]);
        return { stored: after ?? stored, changed: true, kept: false };
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
