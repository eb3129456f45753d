import { spacedInBeijing } from '../beijing-time.ts';
import { yuanText } from '../fen.ts';
import type { AlipayAccount } from './account.ts';
import { type AlipayAnswer, failure, success } from './answer.ts';
import { RefContent } from './biz-content.ts';
import type { AlipayMethod } from './call.ts';
import { type AlipayTrade, tradeStatusOf, type VisibleTrade } from './trade.ts';
import { buyerFields, paidDetails } from './trade-view.ts';
import { type AlipayTrades, visible } from './trades.ts';

/** Finds the trade that a request names, anew on every call; trade_no counts before out_trade_no. */
export const tradeFinder =
  (
    trades: AlipayTrades,
    account: AlipayAccount,
    ref: { readonly out_trade_no?: string | undefined; readonly trade_no?: string | undefined },
  ) =>
  (): AlipayTrade | undefined =>
    ref.trade_no === undefined
      ? trades.find(account.appId, ref.out_trade_no ?? '')
      : trades.findByTradeNo(account.appId, ref.trade_no);

const queryAnswer = (trade: VisibleTrade): AlipayAnswer =>
  success({
    trade_no: trade.tradeNo,
    out_trade_no: trade.outTradeNo,
    ...buyerFields(trade),
    trade_status: tradeStatusOf(trade),
    total_amount: yuanText(trade.amount),
    ...(trade.state === 'TRADE_SUCCESS'
      ? {
          ...paidDetails(trade),
          send_pay_date: spacedInBeijing(trade.paidAtMs),
        }
      : { receipt_amount: '0.00', buyer_pay_amount: '0.00', point_amount: '0.00', invoice_amount: '0.00' }),
  });

/** alipay.trade.query. */
export const createTradeQuery = (trades: AlipayTrades): AlipayMethod => ({
  name: 'alipay.trade.query',
  operation: 'query',
  read: ({ account, content }) => {
    const parsed = RefContent.safeParse(content);
    if (!parsed.success) return undefined;
    const find = tradeFinder(trades, account, parsed.data);
    return {
      outTradeNo: find()?.outTradeNo ?? parsed.data.out_trade_no,
      description: find()?.subject,
      paymentCode: find()?.paymentCode,
      codeActs: [],
      perform: () => {
        const trade = visible(find());
        return trade === undefined ? failure('ACQ.TRADE_NOT_EXIST') : queryAnswer(trade);
      },
      decline: (code) => failure(code),
    };
  },
});
