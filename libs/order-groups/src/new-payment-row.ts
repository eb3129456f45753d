import { type OrderNo, toOrderKey } from '@tillmesh/domain';
import { bigintParameter, type Parameter } from './connection.ts';
import type { MerchantOrder, NewPayment } from './order-group.ts';
import type { RowCodec } from './payment-rows.ts';

/** How a new order is placed. */
export type NewRow = {
  readonly orderNo: OrderNo;
  readonly payment: NewPayment;
  readonly state: 'paying' | 'unbound';
  /** The home that it avoids; undefined at home. */
  readonly jumpedFrom: number | undefined;
  /** The map that placed it: the fence. */
  readonly mapVersion: number;
};

/** The values of one row of the fenced INSERT. */
export const newPaymentRow = (
  { orderNo, payment, state, jumpedFrom, mapVersion }: NewRow,
  { seal, cipher }: RowCodec,
): Parameter[] => {
  const { attempt, createdAtMs, amount } = payment;
  const zero = { ...amount, minorUnits: 0n } as typeof amount;
  return [
    bigintParameter(toOrderKey(orderNo)),
    payment.merchantId,
    payment.merchantOrderNo,
    amount.currency,
    bigintParameter(amount.minorUnits),
    payment.kind,
    payment.wallet,
    cipher.encrypt('subject', orderNo, payment.subject),
    state,
    payment.terminalId,
    payment.storeId,
    payment.traceparent,
    createdAtMs,
    payment.expireAtMs,
    createdAtMs,
    // An order that nobody may pay is nothing to check.
    state === 'paying' ? createdAtMs + payment.firstCheckAfterMs : null,
    jumpedFrom ?? null,
    null,
    seal.ofPayment({ ...payment, orderNo, isPaid: false, refundReserved: zero, refunded: zero }),
    attempt.accountId,
    attempt.channelId,
    attempt.token,
    attempt.routeReason,
    payment.source,
    payment.source,
    mapVersion,
  ];
};

/** The values of a stub: a void row that keeps the merchant's number and says where its order is. */
export const stubRow = (
  orderNo: OrderNo,
  of: MerchantOrder,
  jumpedTo: OrderNo,
  { nowMs, mapVersion }: { readonly nowMs: number; readonly mapVersion: number },
): Parameter[] => {
  const nothing = Buffer.alloc(0);
  return [
    bigintParameter(toOrderKey(orderNo)),
    of.merchantId,
    of.merchantOrderNo,
    'XXX',
    0,
    'merchant_qr',
    'wechat',
    nothing,
    'void',
    '',
    '',
    '',
    nowMs,
    nowMs,
    nowMs,
    null,
    null,
    bigintParameter(toOrderKey(jumpedTo)),
    nothing,
    '',
    '',
    '',
    '',
    'sweep',
    'sweep',
    mapVersion,
  ];
};
