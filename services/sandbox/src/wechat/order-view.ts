import { rfc3339InBeijing } from '../beijing-time.ts';
import { type Discount, isTerse, partsOf } from '../discounts.ts';
import { applicationView, merchantView } from './account.ts';
import { type Paid, tradeStateDescOf, tradeStateOf, type WechatOrder } from './order.ts';

/** The simulated payers all pay from the balance of their wallet. */
export const BANK_TYPE = 'OTHERS';

// An openid is of one application: here a payer has the same name in all of them.
const payerView = ({ payerId, sub }: Paid) => {
  if (sub === undefined) return { openid: payerId };
  return { sp_openid: payerId, ...(sub.appid === undefined ? {} : { sub_openid: payerId }) };
};

const termsView = (order: WechatOrder) => ({
  ...applicationView(order),
  ...merchantView(order),
  out_trade_no: order.outTradeNo,
  ...(order.attach === undefined ? {} : { attach: order.attach }),
  trade_state: tradeStateOf(order),
  trade_state_desc: tradeStateDescOf(order),
});

const promotionView = ({ id, name, amount, by }: Discount) => ({
  coupon_id: id,
  name,
  scope: 'GLOBAL',
  // NOCASH: the merchant goes without it.
  type: by === 'merchant' ? 'NOCASH' : 'CASH',
  amount: Number(amount),
  stock_id: id.slice(0, 8),
  wechatpay_contribute: by === 'channel' ? Number(amount) : 0,
  merchant_contribute: by === 'merchant' ? Number(amount) : 0,
  other_contribute: 0,
  currency: 'CNY',
});

const paidTerms = (order: Paid) => ({
  ...termsView(order),
  transaction_id: order.transactionId,
  trade_type: order.tradeType,
  success_time: rfc3339InBeijing(order.paidAtMs),
});

/** A paid order as v3 prints it in a query, with all that is told of it. */
export const paidView = (order: Paid) => {
  const parts = partsOf(order.key, order.amount, order.acts);
  return {
    ...paidTerms(order),
    bank_type: BANK_TYPE,
    payer: payerView(order),
    amount: {
      total: Number(order.amount),
      payer_total: Number(parts.payerPaid),
      currency: 'CNY',
      payer_currency: 'CNY',
    },
    promotion_detail: parts.discounts.map(promotionView),
  };
};

/** The same as the answer to a payment and a notification tell it. */
export const notifiedView = (order: Paid): object =>
  isTerse(order.acts)
    ? { ...paidTerms(order), amount: { total: Number(order.amount), currency: 'CNY' } }
    : paidView(order);

/** An order as v3 prints it. What there is only after a payment is left out before it. */
export const orderView = (order: WechatOrder): object =>
  order.state === 'SUCCESS'
    ? paidView(order)
    : {
        ...termsView(order),
        amount: { total: Number(order.amount), payer_currency: 'CNY' },
        promotion_detail: [],
        scene_info: { device_id: '' },
      };
