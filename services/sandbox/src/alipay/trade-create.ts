import type { Clock } from '@tillmesh/clock';
import type { Act } from '../script.ts';
import { type AlipayAnswer, failure, success } from './answer.ts';
import { CreateContent, canonical } from './biz-content.ts';
import type { AlipayMethod } from './call.ts';
import { isVisible, tradeKeyOf } from './trade.ts';
import type { AlipayTrades } from './trades.ts';

/** alipay.trade.create: a trade of a buyer who is known, to be paid inside Alipay. Equal parameters are the same trade. */
export const createTradeCreate = (deps: { readonly clock: Clock; readonly trades: AlipayTrades }): AlipayMethod => {
  const { clock, trades } = deps;
  return {
    name: 'alipay.trade.create',
    operation: 'pay',
    read: ({ account, content, notifyUrl }) => {
      const parsed = CreateContent.safeParse(content);
      if (!parsed.success) return undefined;
      const asked = parsed.data;
      const perform = (acts: readonly Act[]): AlipayAnswer => {
        const parameters = `create ${canonical(asked, [])}`;
        const before = trades.find(account.appId, asked.out_trade_no);
        if (before !== undefined) {
          if (before.state === 'TRADE_SUCCESS') return failure('ACQ.TRADE_HAS_SUCCESS');
          if (before.state === 'TRADE_CLOSED' || before.state === 'withdrawn') return failure('ACQ.TRADE_HAS_CLOSE');
          if (before.parameters !== parameters || !isVisible(before)) return failure('ACQ.CONTEXT_INCONSISTENT');
          return success({ out_trade_no: before.outTradeNo, trade_no: before.tradeNo });
        }
        if (!trades.hasRoom()) return failure('20000');
        const nowMs = clock.nowMs();
        const waiting = trades.createFor(
          {
            key: tradeKeyOf(account.appId, asked.out_trade_no),
            accountId: account.accountId,
            appId: account.appId,
            sellerId: account.sellerId,
            outTradeNo: asked.out_trade_no,
            subject: asked.subject,
            body: asked.body,
            amount: asked.total_amount,
            notifyUrl,
            paymentCode: undefined,
            qrCode: undefined,
            parameters,
            acts,
            createdAtMs: nowMs,
            expiresAtMs:
              asked.time_expire ?? (asked.timeout_express === undefined ? undefined : nowMs + asked.timeout_express),
          },
          asked.buyer_id ?? asked.buyer_open_id ?? '',
        );
        return success({ out_trade_no: waiting.outTradeNo, trade_no: waiting.tradeNo });
      };
      return {
        outTradeNo: asked.out_trade_no,
        description: asked.subject,
        paymentCode: undefined,
        codeActs: [],
        perform,
        decline: (code) => failure(code),
      };
    },
  };
};
