import { spacedInBeijing } from '../beijing-time.ts';
import { isTerse, partsOf } from '../discounts.ts';
import { yuanText, ZERO_FEN } from '../fen.ts';
import type { PaidTrade, VisibleTrade } from './trade.ts';

/** `159****5620`, as Alipay shows a buyer to a merchant. */
export const logonIdOf = (buyerId: string): string => `159****${buyerId.slice(-4)}`;

export const buyerFields = (trade: VisibleTrade) => ({
  buyer_logon_id: logonIdOf(trade.buyerId),
  buyer_user_id: trade.buyerId,
});

const CHANNEL_OF = { channel: 'COUPON', merchant: 'MCOUPON' } as const;

/** With what the trade was paid; the simulated buyers pay from their balance, and discounts stand among it. */
export const fundBill = (trade: PaidTrade) => {
  const { discounts, payerPaid } = partsOf(trade.key, trade.amount, trade.acts);
  const bills = discounts.map(({ amount, by }) => ({ amount: yuanText(amount), fund_channel: CHANNEL_OF[by] }));
  return payerPaid === ZERO_FEN ? bills : [{ amount: yuanText(payerPaid), fund_channel: 'ALIPAYACCOUNT' }, ...bills];
};

/** The vouchers among it; undefined where there are none, as Alipay leaves the list out then. */
export const vouchers = (trade: PaidTrade) => {
  const { discounts } = partsOf(trade.key, trade.amount, trade.acts);
  return discounts.length === 0
    ? undefined
    : discounts.map(({ id, name, amount, by }) => ({
        id,
        name,
        type: 'ALIPAY_CASH_VOUCHER',
        amount: yuanText(amount),
        merchant_contribute: yuanText(by === 'merchant' ? amount : ZERO_FEN),
        other_contribute: yuanText(by === 'merchant' ? ZERO_FEN : amount),
      }));
};

/** Amounts that are there only after a payment. */
export const paidAmounts = (trade: PaidTrade) => {
  const { payerPaid, settled } = partsOf(trade.key, trade.amount, trade.acts);
  return {
    receipt_amount: yuanText(settled),
    buyer_pay_amount: yuanText(payerPaid),
    point_amount: '0.00',
    invoice_amount: yuanText(payerPaid),
  };
};

/** What is told of a paid trade beyond that it is paid. */
export const paidDetails = (trade: PaidTrade) => {
  const list = vouchers(trade);
  return {
    ...buyerFields(trade),
    ...paidAmounts(trade),
    fund_bill_list: fundBill(trade),
    ...(list === undefined ? {} : { voucher_detail_list: list }),
  };
};

/** What alipay.trade.pay answers of a trade that is paid. */
export const payAnswerFields = (trade: PaidTrade) => ({
  trade_no: trade.tradeNo,
  out_trade_no: trade.outTradeNo,
  total_amount: yuanText(trade.amount),
  gmt_payment: spacedInBeijing(trade.paidAtMs),
  ...(isTerse(trade.acts) ? {} : paidDetails(trade)),
});
