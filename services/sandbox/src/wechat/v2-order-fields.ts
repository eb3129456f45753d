import { compactInBeijing } from '../beijing-time.ts';
import { type Paid, tradeStateDescOf, tradeStateOf, type WechatOrder } from './order.ts';
import { BANK_TYPE } from './order-view.ts';

/** What v2 tells about a paid order. */
export const paidFields = (order: Paid): Readonly<Record<string, string>> => ({
  openid: order.payerId,
  is_subscribe: 'N',
  trade_type: order.tradeType,
  bank_type: BANK_TYPE,
  fee_type: 'CNY',
  total_fee: String(order.amount),
  cash_fee_type: 'CNY',
  cash_fee: String(order.amount),
  transaction_id: order.transactionId,
  out_trade_no: order.outTradeNo,
  attach: order.attach ?? '',
  time_end: compactInBeijing(order.paidAtMs),
});

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
