import type { Clock, Random } from '@tillmesh/clock';
import type { HttpReply, HttpRequest } from '../http-server.ts';
import type { Scripts } from '../scripts.ts';
import { canonical, PageContent } from './biz-content.ts';
import type { createAlipayGate } from './gate.ts';
import { precreated, tradeKeyOf } from './trade.ts';
import type { AlipayTrades } from './trades.ts';

/** Methods that a payer's own device asks for, signed by the merchant. */
export const PAGE_METHODS: ReadonlySet<string> = new Set([
  'alipay.trade.wap.pay',
  'alipay.trade.page.pay',
  'alipay.trade.app.pay',
]);

const page = (status: number, words: string): HttpReply => ({
  kind: 'answer',
  status,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: Buffer.from(`<!doctype html><title>支付宝</title><main>${words}</main>`),
});

/**
 * A payer opens what a merchant has signed: the cashier of Alipay, in a browser or in the app. No trade exists before the payer has gone on
 * from it; the control API's scan of the code that stands in the page does that.
 */
export const createPagePay = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly trades: AlipayTrades;
  readonly scripts: Scripts;
  readonly gate: ReturnType<typeof createAlipayGate>;
}): ((request: HttpRequest) => HttpReply) => {
  const { clock, random, trades, scripts, gate } = deps;
  return (httpRequest) => {
    const passed = gate(httpRequest);
    if (passed.kind === 'refused') return page(400, `错误代码 ${passed.reason}`);
    const { account, method, content, notifyUrl } = passed.request;
    const parsed = PageContent.safeParse(content);
    if (!PAGE_METHODS.has(method) || !parsed.success) return page(400, '错误代码 ACQ.INVALID_PARAMETER');
    const asked = parsed.data;
    const parameters = `${method} ${canonical(asked, [])}`;
    const before = trades.find(account.appId, asked.out_trade_no);
    if (before !== undefined) {
      const isOpen = before.state === 'precreated' || before.state === 'WAIT_BUYER_PAY';
      return isOpen && before.parameters === parameters
        ? page(200, before.qrCode ?? '')
        : page(400, '错误代码 ACQ.CONTEXT_INCONSISTENT');
    }
    const nowMs = clock.nowMs();
    if ((asked.time_expire ?? Number.POSITIVE_INFINITY) <= nowMs) return page(400, '错误代码 ACQ.TRADE_HAS_CLOSE');
    const waiting = precreated({
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
      qrCode: `https://qr.alipay.com/page${random.hex(12)}`,
      parameters,
      acts: scripts.take({
        channel: 'alipay',
        operation: 'pay',
        accountId: account.accountId,
        merchantId: account.appId,
        outTradeNo: asked.out_trade_no,
        description: asked.subject,
        paymentCode: undefined,
      }),
      createdAtMs: nowMs,
      expiresAtMs: asked.time_expire,
    });
    trades.put(waiting);
    return page(200, waiting.qrCode ?? '');
  };
};
