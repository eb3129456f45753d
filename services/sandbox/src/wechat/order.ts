import { addFen, type Fen, subtractFen, ZERO_FEN } from '../fen.ts';
import type { Act } from '../script.ts';
import type { SubMerchant } from './account.ts';

export type TradeType = 'NATIVE' | 'JSAPI' | 'MICROPAY' | 'MWEB' | 'APP';

/** A payer who is typing the password. */
export type PayerAtWork = {
  readonly payerId: string;
  readonly endsAtMs: number;
  readonly then: 'pays' | 'gives_up';
};

type Common = {
  /** `mchid/out_trade_no`: the number is unique per merchant. */
  readonly key: string;
  readonly accountId: string;
  readonly mchid: string;
  readonly appid: string;
  /** For whom a service provider placed it, with the application it named; undefined: the merchant's own order. */
  readonly sub: SubMerchant | undefined;
  readonly outTradeNo: string;
  readonly tradeType: TradeType;
  readonly description: string;
  readonly attach: string | undefined;
  readonly amount: Fen;
  readonly notifyUrl: string | undefined;
  /** JSAPI: the openid that may pay. */
  readonly openid: string | undefined;
  readonly paymentCode: string | undefined;
  /** code_url or prepay_id: what the payer's wallet opens. */
  readonly prepay: string | undefined;
  /** The parameters of the first request: another request with the same ones is a re-entry. */
  readonly parameters: string;
  readonly acts: readonly Act[];
  readonly createdAtMs: number;
  /** When an unpaid order ends by itself. */
  readonly endsAtMs: number;
};

/** Waits for a payer. A failed try of a payer leads back here (research, 1.5). */
export type NotPaid = Common & { readonly state: 'NOTPAY'; readonly atWork: PayerAtWork | undefined };
/** Payment code alone: the payer has been asked for the password. */
export type UserPaying = Common & { readonly state: 'USERPAYING'; readonly atWork: PayerAtWork };
/** Payment code alone: the payment failed for good. */
export type PayError = Common & { readonly state: 'PAYERROR'; readonly code: string };
export type Closed = Common & { readonly state: 'CLOSED' };
/** Paid; `given` back or on the way back by refunds. */
export type Paid = Common & {
  readonly state: 'SUCCESS';
  readonly payerId: string;
  readonly transactionId: string;
  readonly paidAtMs: number;
  readonly refunds: number;
  readonly refunded: Fen;
};
/** Payment code alone: ended by the merchant or by time; what had been paid went back. */
export type Revoked = Common & { readonly state: 'REVOKED'; readonly transactionId: string | undefined };

export type WechatOrder = NotPaid | UserPaying | PayError | Closed | Paid | Revoked;
/** What an order is made of before it has a state. */
export type OrderTerms = Common;

export const orderKeyOf = (mchid: string, outTradeNo: string): string => `${mchid}/${outTradeNo}`;

/** What v2 and v3 print as trade_state: a paid order of which something is refunded is `REFUND`. */
export const tradeStateOf = (order: WechatOrder): string =>
  order.state === 'SUCCESS' && order.refunded > 0n ? 'REFUND' : order.state;

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  SUCCESS: '支付成功',
  REFUND: '转入退款',
  NOTPAY: '订单未支付',
  CLOSED: '订单已关闭',
  REVOKED: '订单已撤销',
  USERPAYING: '用户支付中，需要输入密码',
  PAYERROR: '支付失败(其他原因，如银行返回失败)',
};

export const tradeStateDescOf = (order: WechatOrder): string => DESCRIPTIONS[tradeStateOf(order)] ?? '';

export const notPaid = (terms: OrderTerms): NotPaid => ({ ...terms, state: 'NOTPAY', atWork: undefined });

export const payerBegins = (order: NotPaid, atWork: PayerAtWork): NotPaid => ({ ...order, atWork });

export const askedForPassword = (order: NotPaid, atWork: PayerAtWork): UserPaying => ({
  ...order,
  state: 'USERPAYING',
  atWork,
});

export const paid = (
  { atWork: _atWork, ...order }: NotPaid | UserPaying,
  by: { readonly payerId: string; readonly transactionId: string; readonly paidAtMs: number },
): Paid => ({ ...order, ...by, state: 'SUCCESS', refunds: 0, refunded: ZERO_FEN });

/** A payer stopped: a QR waits for the next try, a payment code has had its only one. */
export const payerFailed = (order: NotPaid | UserPaying, code: string): NotPaid | PayError => {
  if (order.tradeType !== 'MICROPAY') return { ...order, state: 'NOTPAY', atWork: undefined };
  const { atWork: _atWork, ...terms } = order;
  return { ...terms, state: 'PAYERROR', code };
};

export const closed = ({ atWork: _atWork, ...order }: NotPaid): Closed => ({ ...order, state: 'CLOSED' });

export const revokedUnpaid = (order: NotPaid | UserPaying | PayError): Revoked => {
  const { atWork: _atWork, ...terms } = { atWork: undefined, ...order };
  return { ...terms, state: 'REVOKED', transactionId: undefined };
};

export const revokedPaid = (order: Paid): Revoked => ({ ...order, state: 'REVOKED' });

/** A refund was accepted: its amount is spoken for until it ends. */
export const refundAccepted = (order: Paid, amount: Fen): Paid => ({
  ...order,
  refunds: order.refunds + 1,
  refunded: addFen(order.refunded, amount),
});

/** A refund ended without money: its amount can be refunded again. */
export const refundClosed = (order: Paid, amount: Fen): Paid => ({
  ...order,
  refunded: subtractFen(order.refunded, amount),
});

/** What neither went back nor is on its way back. */
export const refundable = (order: Paid): Fen => subtractFen(order.amount, order.refunded);
