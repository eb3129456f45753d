import { compactInBeijing } from '../beijing-time.ts';
import { isTerse, partsOf, sumOf } from '../discounts.ts';
import { type Paid, tradeStateDescOf, tradeStateOf, type WechatOrder } from './order.ts';
import { BANK_TYPE } from './order-view.ts';

const partFields = (order: Paid): Readonly<Record<string, string>> => {
  const parts = partsOf(order.key, order.amount, order.acts);
  const { discounts, payerPaid, settled } = parts;
  const cash = { cash_fee_type: 'CNY', cash_fee: String(payerPaid) };
  if (discounts.length === 0) return cash;
  const coupons = discounts.flatMap(({ id, amount, by }, place) => [
    [`coupon_type_${place}`, by === 'merchant' ? 'NO_CASH' : 'CASH'],
    [`coupon_id_${place}`, id],
    [`coupon_fee_${place}`, String(amount)],
  ]);
  return {
    ...cash,
    ...(settled === order.amount ? {} : { settlement_total_fee: String(settled) }),
    coupon_fee: String(sumOf(parts)),
    coupon_count: String(discounts.length),
    ...(Object.fromEntries(coupons) as Record<string, string>),
  };
};

/** What v2 tells of every paid order. */
const paidTerms = (order: Paid): Readonly<Record<string, string>> => ({
  trade_type: order.tradeType,
  fee_type: 'CNY',
  total_fee: String(order.amount),
  transaction_id: order.transactionId,
  out_trade_no: order.outTradeNo,
  attach: order.attach ?? '',
  time_end: compactInBeijing(order.paidAtMs),
});

/** What v2 tells about a paid order, in a query and where its script says nothing else in the answer to the payment. */
export const paidFields = (order: Paid): Readonly<Record<string, string>> => ({
  openid: order.payerId,
  is_subscribe: 'N',
  bank_type: BANK_TYPE,
  ...paidTerms(order),
  ...partFields(order),
});

/** What the answer to the payment tells. */
export const answeredFields = (order: Paid): Readonly<Record<string, string>> =>
  isTerse(order.acts) ? paidTerms(order) : paidFields(order);

/** What /pay/orderquery tells: the details of the payment only where there was one. */
export const queryFields = (order: WechatOrder): Readonly<Record<string, string>> => ({
  ...(order.state === 'SUCCESS'
    ? paidFields(order)
    : {
        out_trade_no: order.outTradeNo,
        total_fee: String(order.amount),
        fee_type: 'CNY',
        attach: order.attach ?? '',
        trade_type: order.tradeType,
      }),
  trade_state: tradeStateOf(order),
  trade_state_desc: tradeStateDescOf(order),
});
