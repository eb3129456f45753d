import type { Clock } from '@tillmesh/clock';
import { spacedInBeijing } from '../beijing-time.ts';
import { type Fen, yuanText } from '../fen.ts';
import type { Ledger } from '../ledger.ts';
import type { State } from '../state.ts';
import { type AlipayAnswer, failure, success } from './answer.ts';
import { RefundContent, RefundQueryContent } from './biz-content.ts';
import type { AlipayMethod } from './call.ts';
import type { AlipayNews } from './notifications.ts';
import { type PaidTrade, refundable, refundedBy } from './trade.ts';
import { tradeFinder } from './trade-query.ts';
import { buyerFields } from './trade-view.ts';
import { type AlipayTrades, movementOf, visible } from './trades.ts';

/** A refund is done when it is accepted: the simulated balance takes it back at once. */
export type AlipayRefund = {
  /** `app_id/out_trade_no/out_request_no`. */
  readonly key: string;
  readonly outRequestNo: string;
  readonly amount: Fen;
  readonly atMs: number;
};

const REFUNDABLE_FOR_MS = 365 * 24 * 3_600_000;

type RefundWish = { readonly amount: Fen; readonly outRequestNo: string | undefined };

/** alipay.trade.refund and alipay.trade.fastpay.refund.query. */
export const createAlipayRefunds = (deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly trades: AlipayTrades;
  readonly news: AlipayNews;
}): readonly AlipayMethod[] => {
  const { clock, ledger, trades, news } = deps;
  const table = deps.state.table<AlipayRefund>('alipay_refund', ({ key }) => key);
  const keyOf = (trade: { readonly key: string }, outRequestNo: string) => `${trade.key}/${outRequestNo}`;

  const answer = (trade: PaidTrade, refund: AlipayRefund, fundChange: 'Y' | 'N'): AlipayAnswer =>
    success({
      trade_no: trade.tradeNo,
      out_trade_no: trade.outTradeNo,
      ...buyerFields(trade),
      fund_change: fundChange,
      // The sum of all refunds of the trade, not this one's amount.
      refund_fee: yuanText(trade.refunded),
      send_back_fee: yuanText(refund.amount),
      gmt_refund_pay: spacedInBeijing(refund.atMs),
      refund_detail_item_list: [{ amount: yuanText(refund.amount), fund_channel: 'ALIPAYACCOUNT' }],
    });

  const refund = (trade: PaidTrade, wish: RefundWish): AlipayAnswer => {
    // Without a number of its own only the whole trade can be refunded, and the trade's number stands for it.
    const outRequestNo = wish.outRequestNo ?? trade.outTradeNo;
    const before = table.get(keyOf(trade, outRequestNo));
    if (before !== undefined) {
      return before.amount === wish.amount ? answer(trade, before, 'N') : failure('ACQ.DISCORDANT_REPEAT_REQUEST');
    }
    if (wish.outRequestNo === undefined && wish.amount !== trade.amount) {
      return failure('ACQ.REFUND_AMT_NOT_EQUAL_TOTAL');
    }
    if (wish.amount > refundable(trade)) return failure('ACQ.REASON_TRADE_REFUND_FEE_ERR');
    if (clock.nowMs() - trade.paidAtMs > REFUNDABLE_FOR_MS) return failure('ACQ.TRADE_HAS_FINISHED');
    const done = { key: keyOf(trade, outRequestNo), outRequestNo, amount: wish.amount, atMs: clock.nowMs() };
    const after = refundedBy(trade, wish.amount);
    table.put(done);
    trades.put(after);
    ledger.refund({ ...movementOf(trade), refundNo: outRequestNo, amount: wish.amount });
    news.refunded(after, done);
    return answer(after, done, 'Y');
  };

  const refundMethod: AlipayMethod = {
    name: 'alipay.trade.refund',
    operation: 'refund',
    read: ({ account, content }) => {
      const parsed = RefundContent.safeParse(content);
      if (!parsed.success) return undefined;
      const find = tradeFinder(trades, account, parsed.data);
      return {
        outTradeNo: find()?.outTradeNo ?? parsed.data.out_trade_no,
        description: find()?.subject,
        paymentCode: find()?.paymentCode,
        codeActs: [],
        perform: () => {
          const trade = visible(find());
          if (trade === undefined) return failure('ACQ.TRADE_NOT_EXIST');
          if (trade.state !== 'TRADE_SUCCESS') return failure('ACQ.TRADE_STATUS_ERROR');
          return refund(trade, { amount: parsed.data.refund_amount, outRequestNo: parsed.data.out_request_no });
        },
        decline: (code) => failure(code),
      };
    },
  };

  const refundQueryMethod: AlipayMethod = {
    name: 'alipay.trade.fastpay.refund.query',
    operation: 'refund_query',
    read: ({ account, content }) => {
      const parsed = RefundQueryContent.safeParse(content);
      if (!parsed.success) return undefined;
      const find = tradeFinder(trades, account, parsed.data);
      return {
        outTradeNo: find()?.outTradeNo ?? parsed.data.out_trade_no,
        description: find()?.subject,
        paymentCode: find()?.paymentCode,
        codeActs: [],
        perform: () => {
          const trade = visible(find());
          if (trade === undefined) return failure('ACQ.TRADE_NOT_EXIST');
          const found = table.get(keyOf(trade, parsed.data.out_request_no));
          // A refund that there is not is no error: the answer merely lacks refund_status.
          if (found === undefined) return success({});
          return success({
            trade_no: trade.tradeNo,
            out_trade_no: trade.outTradeNo,
            out_request_no: found.outRequestNo,
            total_amount: yuanText(trade.amount),
            refund_amount: yuanText(found.amount),
            refund_status: 'REFUND_SUCCESS',
            gmt_refund_pay: spacedInBeijing(found.atMs),
          });
        },
        decline: (code) => failure(code),
      };
    },
  };

  return [refundMethod, refundQueryMethod];
};
