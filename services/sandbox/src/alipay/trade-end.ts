import type { Clock } from '@tillmesh/clock';
import { spacedInBeijing } from '../beijing-time.ts';
import { type AlipayAnswer, failure, success } from './answer.ts';
import { RefContent } from './biz-content.ts';
import type { AlipayMethod } from './call.ts';
import { type AlipayTrade, closedUnpaid, type PaidTrade, withdrawn } from './trade.ts';
import { tradeFinder } from './trade-query.ts';
import { type AlipayTrades, visible } from './trades.ts';

/** A cancel may come until a quarter past the midnight after the payment (research, 2.4). */
const CANCEL_GRACE_MS = 15 * 60_000;

const dayOf = (ms: number): string => spacedInBeijing(ms).slice(0, 10);

// "Call me again" where the answer decides nothing.
const CODES_TO_REPEAT: ReadonlySet<string> = new Set(['ACQ.SYSTEM_ERROR', 'AQC.SYSTEM_ERROR', '20000']);

/** alipay.trade.cancel: closes what is unpaid, gives back what is paid, and succeeds for what it does not know. */
export const createTradeCancel = (deps: { readonly clock: Clock; readonly trades: AlipayTrades }): AlipayMethod => {
  const { clock, trades } = deps;

  const cancelPaid = (trade: PaidTrade): AlipayAnswer => {
    if (dayOf(clock.nowMs() - CANCEL_GRACE_MS) > dayOf(trade.paidAtMs)) return failure('ACQ.TRADE_CANCEL_TIME_OUT');
    if (trade.refunded > 0n) return failure('ACQ.REASON_TRADE_REFUND_FEE_ERR');
    return cancelled(trades.cancelPaid(trade));
  };
  const cancelled = (trade: AlipayTrade | undefined, outTradeNo?: string): AlipayAnswer => {
    const seen = visible(trade);
    return success({
      ...(seen === undefined ? {} : { trade_no: seen.tradeNo }),
      out_trade_no: trade?.outTradeNo ?? outTradeNo,
      retry_flag: 'N',
      // Told only where there was a trade (alipay.trade.cancel, answer fields).
      ...(seen?.state === 'TRADE_CLOSED' ? { action: seen.by } : {}),
    });
  };
  const cancel = (trade: AlipayTrade | undefined, outTradeNo: string | undefined): AlipayAnswer => {
    if (trade === undefined) return cancelled(undefined, outTradeNo);
    switch (trade.state) {
      case 'precreated':
        trades.put(withdrawn(trade));
        return cancelled(trade);
      case 'WAIT_BUYER_PAY': {
        const closed = closedUnpaid(trade);
        trades.put(closed);
        return cancelled(closed);
      }
      case 'TRADE_SUCCESS':
        return cancelPaid(trade);
      case 'withdrawn':
      case 'declined':
      case 'TRADE_CLOSED':
        return cancelled(trade);
    }
  };

  return {
    name: 'alipay.trade.cancel',
    operation: 'reverse',
    read: ({ account, content }) => {
      const parsed = RefContent.safeParse(content);
      if (!parsed.success) return undefined;
      const find = tradeFinder(trades, account, parsed.data);
      const outTradeNo = find()?.outTradeNo ?? parsed.data.out_trade_no;
      return {
        outTradeNo,
        description: find()?.subject,
        paymentCode: find()?.paymentCode,
        codeActs: [],
        perform: () => cancel(find(), parsed.data.out_trade_no),
        decline: (code) => ({
          ...failure(code),
          out_trade_no: outTradeNo,
          retry_flag: CODES_TO_REPEAT.has(code) ? 'Y' : 'N',
        }),
      };
    },
  };
};

/** alipay.trade.close: for a trade that was scanned and not paid; it refuses everything else. */
export const createTradeClose = (trades: AlipayTrades): AlipayMethod => ({
  name: 'alipay.trade.close',
  operation: 'close',
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
        if (trade === undefined) return failure('ACQ.TRADE_NOT_EXIST');
        if (trade.state !== 'WAIT_BUYER_PAY') return failure('ACQ.REASON_TRADE_STATUS_INVALID');
        trades.put(closedUnpaid(trade));
        return success({ trade_no: trade.tradeNo, out_trade_no: trade.outTradeNo });
      },
      decline: (code) => failure(code),
    };
  },
});
