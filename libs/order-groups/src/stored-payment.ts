import { type AttemptNo, type GroupTag, money, type OrderNo, type Payment, type Refund } from '@tillmesh/domain';
import type { NewPayment } from './order-group.ts';

/** A payment with what only the store and the syncer need. */
export type StoredPayment = {
  readonly payment: Payment;
  readonly nextCheckAtMs: number | undefined;
  readonly checkCount: number;
  /** Token of each attempt, by attempt number: who wrote it. */
  readonly tokens: ReadonlyMap<number, string>;
  /** The home that the order avoided; undefined where it was written at home. */
  readonly jumpedFrom: GroupTag | undefined;
  /** Of a void row at home: the order that has the merchant's number instead. */
  readonly jumpedTo: OrderNo | undefined;
  /** The version of the group map that placed it. */
  readonly mapVersion: number;
};

export type StoredRefund = { readonly refund: Refund; readonly checkCount: number; readonly needsPerson: string };

/**
 * What an order that was just written holds, without reading it again.
 *
 * @param version 1 for an order written at home, 2 for one that jumped and was bound.
 */
export const paymentAsWritten = (orderNo: OrderNo, written: NewPayment, version: number): Payment => {
  const { attempt, createdAtMs } = written;
  const zero = money(written.amount.currency, 0n);
  return {
    orderNo,
    merchantId: written.merchantId,
    merchantOrderNo: written.merchantOrderNo,
    amount: written.amount,
    kind: written.kind,
    wallet: written.wallet,
    subject: written.subject,
    state: 'paying',
    version,
    attempts: [
      {
        attemptNo: 1 as AttemptNo,
        accountId: attempt.accountId,
        channelId: attempt.channelId,
        state: 'started',
        channelTransactionId: undefined,
        channelCode: '',
        ruleId: '',
        learnedBy: undefined,
        routeReason: attempt.routeReason,
        startedAtMs: createdAtMs,
        settledAtMs: undefined,
      },
    ],
    action: undefined,
    learnedBy: undefined,
    declineReason: undefined,
    refundReserved: zero,
    refunded: zero,
    createdAtMs,
    expireAtMs: written.expireAtMs,
    paidAtMs: undefined,
    terminalId: written.terminalId,
    storeId: written.storeId,
    traceparent: written.traceparent,
    needsPerson: '',
    details: undefined,
  };
};

/** The same with what only the store needs, for groups that have no database. */
export const storedAsWritten = (
  orderNo: OrderNo,
  written: NewPayment,
  { version, mapVersion }: { readonly version: number; readonly mapVersion: number },
): StoredPayment => ({
  payment: paymentAsWritten(orderNo, written, version),
  nextCheckAtMs: written.createdAtMs + written.firstCheckAfterMs,
  checkCount: 0,
  tokens: new Map([[1, written.attempt.token]]),
  jumpedFrom: undefined,
  jumpedTo: undefined,
  mapVersion,
});
