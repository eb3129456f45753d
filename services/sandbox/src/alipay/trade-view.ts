import { spacedInBeijing } from '../beijing-time.ts';
import { yuanText } from '../fen.ts';
import type { PaidTrade, VisibleTrade } from './trade.ts';

/** `159****5620`, as Alipay shows a buyer to a merchant. */
export const logonIdOf = (buyerId: string): string => `159****${buyerId.slice(-4)}`;

export const buyerFields = (trade: VisibleTrade) => ({
  buyer_logon_id: logonIdOf(trade.buyerId),
  buyer_user_id: trade.buyerId,
});

/** The simulated buyers pay everything from their balance. */
export const fundBill = (amount: string) => [{ amount, fund_channel: 'ALIPAYACCOUNT' }];

/** Amounts that are there only after a payment, without discounts. */
export const paidAmounts = (trade: PaidTrade) => {
  const amount = yuanText(trade.amount);
  return {
    receipt_amount: amount,
    buyer_pay_amount: amount,
    point_amount: '0.00',
    invoice_amount: amount,
  };
};

/** What alipay.trade.pay answers of a trade that is paid. */
export const payAnswerFields = (trade: PaidTrade) => ({
  trade_no: trade.tradeNo,
  out_trade_no: trade.outTradeNo,
  ...buyerFields(trade),
  total_amount: yuanText(trade.amount),
  ...paidAmounts(trade),
  gmt_payment: spacedInBeijing(trade.paidAtMs),
  fund_bill_list: fundBill(yuanText(trade.amount)),
});
