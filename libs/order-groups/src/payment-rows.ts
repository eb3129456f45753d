import {
  type AccountId,
  type Attempt,
  type AttemptNo,
  type AttemptState,
  type ChannelId,
  type ChannelTransactionId,
  type ClientAction,
  type DeclineReason,
  type LearnedBy,
  type MerchantId,
  type MerchantOrderNo,
  type MerchantRefundNo,
  money,
  type OrderNo,
  type Payment,
  type PaymentKind,
  type PaymentState,
  type Refund,
  type RefundCause,
  type RefundState,
  type Wallet,
} from '@tillmesh/domain';
import { big, optionalText, optionalWhole, orderNoOf, text, whole } from './columns.ts';
import type { Row } from './connection.ts';
import type { NewPayment } from './order-group.ts';

/** A payment with what only the store and the syncer need. */
export type StoredPayment = {
  readonly payment: Payment;
  readonly nextCheckAtMs: number | undefined;
  readonly checkCount: number;
  /** Token of each attempt, by attempt number: who wrote it. */
  readonly tokens: ReadonlyMap<number, string>;
};

export type StoredRefund = { readonly refund: Refund; readonly checkCount: number; readonly needsPerson: string };

const amountOf = (row: Row, column: string) => money(text(row, 'currency'), big(row, column));

const attemptOf = (row: Row): Attempt => ({
  attemptNo: whole(row, 'attempt_no') as AttemptNo,
  accountId: text(row, 'account_id') as AccountId,
  channelId: text(row, 'channel_id') as ChannelId,
  state: text(row, 'attempt_state') as AttemptState,
  channelTransactionId: optionalText(row, 'channel_transaction_id') as ChannelTransactionId | undefined,
  channelCode: text(row, 'channel_code'),
  ruleId: text(row, 'rule_id'),
  learnedBy: optionalText(row, 'learned_by') as LearnedBy | undefined,
  routeReason: text(row, 'route_reason'),
  startedAtMs: whole(row, 'started_at'),
  settledAtMs: optionalWhole(row, 'settled_at'),
});

/** Reads the rows of SELECT_PAYMENT: one a attempt, the payment's columns in each. Undefined where there is none. */
export const paymentOfRows = (rows: readonly Row[]): StoredPayment | undefined => {
  const [row] = rows;
  if (row === undefined) return undefined;
  const attemptRows = rows.filter((candidate) => candidate['attempt_no'] !== null);
  const action = optionalText(row, 'action');
  return {
    payment: {
      orderNo: orderNoOf(row, 'order_no'),
      merchantId: text(row, 'merchant_id') as MerchantId,
      merchantOrderNo: text(row, 'merchant_order_no') as MerchantOrderNo,
      amount: amountOf(row, 'amount'),
      kind: text(row, 'kind') as PaymentKind,
      wallet: text(row, 'wallet') as Wallet,
      subject: text(row, 'subject'),
      state: text(row, 'state') as PaymentState,
      version: whole(row, 'version'),
      attempts: attemptRows.map(attemptOf),
      // Our own JSON, written by this library.
      action: action === undefined ? undefined : (JSON.parse(action) as ClientAction),
      learnedBy: optionalText(row, 'payment_learned_by') as LearnedBy | undefined,
      declineReason: optionalText(row, 'decline_reason') as DeclineReason | undefined,
      refundReserved: amountOf(row, 'refund_reserved'),
      refunded: amountOf(row, 'refunded'),
      createdAtMs: whole(row, 'created_at'),
      expireAtMs: whole(row, 'expire_at'),
      paidAtMs: optionalWhole(row, 'paid_at'),
      terminalId: text(row, 'terminal_id'),
      storeId: text(row, 'store_id'),
      traceparent: text(row, 'traceparent'),
      needsPerson: text(row, 'needs_person'),
    },
    nextCheckAtMs: optionalWhole(row, 'next_check_at'),
    checkCount: whole(row, 'check_count'),
    tokens: new Map(attemptRows.map((attempt) => [whole(attempt, 'attempt_no'), text(attempt, 'token')])),
  };
};

/**
 * What the rows of an order that was just written hold, without reading them again.
 *
 * @param version 1 for an order written at home, 2 for one that jumped and was bound.
 */
export const asWritten = (orderNo: OrderNo, written: NewPayment, version: number): StoredPayment => {
  const { attempt, createdAtMs, firstCheckAfterMs } = written;
  const zero = money(written.amount.currency, 0n);
  return {
    payment: {
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
    },
    nextCheckAtMs: createdAtMs + firstCheckAfterMs,
    checkCount: 0,
    tokens: new Map([[1, attempt.token]]),
  };
};

/** Reads a row of SELECT_REFUND. Undefined where there is none. */
export const refundOfRows = (rows: readonly Row[]): StoredRefund | undefined => {
  const [row] = rows;
  if (row === undefined) return undefined;
  return {
    refund: {
      refundNo: orderNoOf(row, 'refund_no'),
      orderNo: orderNoOf(row, 'order_no'),
      merchantId: text(row, 'merchant_id') as MerchantId,
      merchantRefundNo: text(row, 'merchant_refund_no') as MerchantRefundNo,
      amount: amountOf(row, 'amount'),
      state: text(row, 'state') as RefundState,
      cause: text(row, 'cause') as RefundCause,
      reason: text(row, 'reason'),
      attemptNo: whole(row, 'attempt_no') as AttemptNo,
      channelRefundId: text(row, 'channel_refund_id'),
      channelCode: text(row, 'channel_code'),
      learnedBy: optionalText(row, 'learned_by') as LearnedBy | undefined,
      createdAtMs: whole(row, 'created_at'),
      settledAtMs: optionalWhole(row, 'settled_at'),
      version: whole(row, 'version'),
    },
    checkCount: whole(row, 'check_count'),
    needsPerson: text(row, 'needs_person'),
  };
};
