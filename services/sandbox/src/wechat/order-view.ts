import { rfc3339InBeijing } from '../beijing-time.ts';
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

/** A paid order as v3 prints it, in a query and in a notification. */
export const paidView = (order: Paid) => ({
  ...termsView(order),
  transaction_id: order.transactionId,
  trade_type: order.tradeType,
  bank_type: BANK_TYPE,
  success_time: rfc3339InBeijing(order.paidAtMs),
  payer: payerView(order),
  amount: {
    total: Number(order.amount),
    payer_total: Number(order.amount),
    currency: 'CNY',
    payer_currency: 'CNY',
  },
  promotion_detail: [],
});

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
