import {
  type AccountId,
  type Attempt,
  type AttemptNo,
  type AttemptState,
  type ChannelId,
  type ChannelTransactionId,
  type ClientAction,
  type DeclineReason,
  type GroupTag,
  type LearnedBy,
  type MerchantId,
  type MerchantOrderNo,
  type MerchantRefundNo,
  type Money,
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
import { type ColumnCipher, createColumnCipher } from './column-cipher.ts';
import { big, bytes, optionalBytes, optionalText, optionalWhole, orderNoOf, text, whole } from './columns.ts';
import type { Row } from './connection.ts';
import { detailsFromText } from './details-text.ts';
import type { RowKeys } from './row-keys.ts';
import { createRowSeal, type RowSeal } from './row-seal.ts';
import type { StoredPayment, StoredRefund } from './stored-payment.ts';

/** Between rows and what stands in them: checks every seal and opens what is encrypted. */
export type RowCodec = {
  readonly seal: RowSeal;
  readonly cipher: ColumnCipher;
  /** Reads the rows of SELECT_PAYMENT: one a later attempt, the payment's columns in each. Undefined where there is none. @throws {RowTampered} */
  readPayment(rows: readonly Row[]): StoredPayment | undefined;
  /** Reads a row of SELECT_REFUND. Undefined where there is none. @throws {RowTampered} */
  readRefund(rows: readonly Row[]): StoredRefund | undefined;
};

const amountOf = (row: Row, column: string): Money => money(text(row, 'currency'), big(row, column));

/** An attempt's columns; those of the first stand in the payment, those of later ones carry a prefix. */
const attemptOf = (row: Row, attemptNo: number, startedAtMs: number, prefix: '' | 'a_'): Attempt => ({
  attemptNo: attemptNo as AttemptNo,
  accountId: text(row, `${prefix}account_id`) as AccountId,
  channelId: text(row, `${prefix}channel_id`) as ChannelId,
  state: text(row, `${prefix}attempt_state`) as AttemptState,
  channelTransactionId: optionalText(row, `${prefix}channel_transaction_id`) as ChannelTransactionId | undefined,
  channelCode: text(row, `${prefix}channel_code`),
  ruleId: text(row, `${prefix}rule_id`),
  learnedBy: optionalText(row, `${prefix}attempt_learned_by`) as LearnedBy | undefined,
  routeReason: text(row, `${prefix}route_reason`),
  startedAtMs,
  settledAtMs: optionalWhole(row, `${prefix}settled_at`),
});

const attemptsOf = (rows: readonly Row[], row: Row): Attempt[] => {
  const first = attemptOf(row, 1, whole(row, 'created_at'), '');
  const later = rows.filter((candidate) => candidate['attempt_no'] !== null);
  return [first, ...later.map((each) => attemptOf(each, whole(each, 'attempt_no'), whole(each, 'a_started_at'), 'a_'))];
};

const tokensOf = (rows: readonly Row[], row: Row): ReadonlyMap<number, string> => {
  const tokens = new Map([[1, text(row, 'token')]]);
  for (const each of rows) {
    const attemptNo = optionalWhole(each, 'attempt_no');
    if (attemptNo !== undefined) tokens.set(attemptNo, text(each, 'a_token'));
  }
  return tokens;
};

const jumpedToOf = (row: Row): OrderNo | undefined =>
  optionalText(row, 'jumped_to') === undefined ? undefined : orderNoOf(row, 'jumped_to');

/** Creates the codec over these keys. */
export const createRowCodec = (keys: RowKeys): RowCodec => {
  const seal = createRowSeal(keys);
  const cipher = createColumnCipher(keys);

  const paymentOf = (rows: readonly Row[], row: Row): Payment => {
    const orderNo = orderNoOf(row, 'order_no');
    const state = text(row, 'state') as PaymentState;
    // A void order was never paid and holds no secrets; a stub has neither seal nor text.
    const isVoid = state === 'void';
    const open = (column: string, stored: Buffer | undefined): string | undefined =>
      isVoid || stored === undefined ? undefined : cipher.decrypt(column, orderNo, stored);
    const action = open('action', optionalBytes(row, 'action'));
    const details = open('details', optionalBytes(row, 'details'));
    const payment: Payment = {
      orderNo,
      merchantId: text(row, 'merchant_id') as MerchantId,
      merchantOrderNo: text(row, 'merchant_order_no') as MerchantOrderNo,
      amount: amountOf(row, 'amount'),
      kind: text(row, 'kind') as PaymentKind,
      wallet: text(row, 'wallet') as Wallet,
      subject: open('subject', bytes(row, 'subject')) ?? '',
      state,
      version: whole(row, 'version'),
      attempts: attemptsOf(rows, row),
      // Our own JSON, written by this library.
      action: action === undefined ? undefined : (JSON.parse(action) as ClientAction),
      learnedBy: optionalText(row, 'learned_by') as LearnedBy | undefined,
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
      details: details === undefined ? undefined : detailsFromText(details),
    };
    if (!isVoid) seal.checkPayment({ ...payment, isPaid: state === 'succeeded' }, bytes(row, 'seal'));
    return payment;
  };

  return {
    seal,
    cipher,
    readPayment: (rows) => {
      const [row] = rows;
      if (row === undefined || optionalText(row, 'order_no') === undefined) return undefined;
      return {
        payment: paymentOf(rows, row),
        nextCheckAtMs: optionalWhole(row, 'next_check_at'),
        checkCount: whole(row, 'check_count'),
        tokens: tokensOf(rows, row),
        jumpedFrom: optionalWhole(row, 'jumped_from') as GroupTag | undefined,
        jumpedTo: jumpedToOf(row),
        mapVersion: whole(row, 'map_version'),
      };
    },
    readRefund: (rows) => {
      const [row] = rows;
      if (row === undefined) return undefined;
      const refundNo = orderNoOf(row, 'refund_no');
      const refund: Refund = {
        refundNo,
        orderNo: orderNoOf(row, 'order_no'),
        merchantId: text(row, 'merchant_id') as MerchantId,
        merchantRefundNo: text(row, 'merchant_refund_no') as MerchantRefundNo,
        amount: amountOf(row, 'amount'),
        state: text(row, 'state') as RefundState,
        cause: text(row, 'cause') as RefundCause,
        reason: cipher.decrypt('reason', refundNo, bytes(row, 'reason')),
        attemptNo: whole(row, 'attempt_no') as AttemptNo,
        channelRefundId: text(row, 'channel_refund_id'),
        channelCode: text(row, 'channel_code'),
        learnedBy: optionalText(row, 'learned_by') as LearnedBy | undefined,
        createdAtMs: whole(row, 'created_at'),
        settledAtMs: optionalWhole(row, 'settled_at'),
        version: whole(row, 'version'),
      };
      seal.checkRefund({ ...refund, isGiven: refund.state === 'succeeded' }, bytes(row, 'seal'));
      return { refund, checkCount: whole(row, 'check_count'), needsPerson: text(row, 'needs_person') };
    },
  };
};
