import type { Clock, Random } from '@tillmesh/clock';
import type { Payers } from '../payers.ts';
import { type Act, payerPlanOf, secondsToScan } from '../script.ts';
import { type AlipayAnswer, failure, success } from './answer.ts';
import { canonical, PrecreateContent } from './biz-content.ts';
import type { AlipayMethod } from './call.ts';
import type { AlipayRequest } from './gate.ts';
import { type AlipayTrade, type Precreated, precreated, type TradeTerms, tradeKeyOf } from './trade.ts';
import type { AlipayTrades } from './trades.ts';

type Content = ReturnType<typeof PrecreateContent.parse>;

const qrAnswer = (trade: TradeTerms): AlipayAnswer =>
  success({ out_trade_no: trade.outTradeNo, qr_code: trade.qrCode });

const again = (before: AlipayTrade, parameters: string): AlipayAnswer => {
  switch (before.state) {
    case 'TRADE_SUCCESS':
      return failure('ACQ.TRADE_HAS_SUCCESS');
    case 'TRADE_CLOSED':
    case 'withdrawn':
      return failure('ACQ.TRADE_HAS_CLOSE');
    case 'precreated':
    case 'WAIT_BUYER_PAY':
    case 'declined':
      return before.parameters === parameters ? qrAnswer(before) : failure('ACQ.CONTEXT_INCONSISTENT');
  }
};

/** alipay.trade.precreate: a QR for the buyer to scan. It creates no trade; the scan does. */
export const createTradePrecreate = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly payers: Payers;
  readonly trades: AlipayTrades;
}): AlipayMethod => {
  const { clock, random, payers, trades } = deps;

  // A script can have somebody scan at once and pay some seconds later, for tests that have no hands.
  const letScan = (waiting: Precreated, acts: readonly Act[]): void => {
    const seconds = secondsToScan(acts);
    if (seconds === undefined) return;
    const plan = payerPlanOf(acts);
    const then = plan.act === 'types_password' ? plan.then : 'pays';
    trades.begin(waiting, payers.meet('alipay').payerId, { act: 'types_password', seconds, then });
  };

  const create = ({ account, notifyUrl }: AlipayRequest, content: Content, acts: readonly Act[]): AlipayAnswer => {
    const nowMs = clock.nowMs();
    const expiresAtMs = content.timeout_express === undefined ? undefined : nowMs + content.timeout_express;
    const parameters = `precreate ${canonical(content, [])}`;
    const before = trades.find(account.appId, content.out_trade_no);
    if (before !== undefined) return again(before, parameters);
    if (!trades.hasRoom()) return failure('20000');
    const waiting = precreated({
      key: tradeKeyOf(account.appId, content.out_trade_no),
      accountId: account.accountId,
      appId: account.appId,
      sellerId: account.sellerId,
      outTradeNo: content.out_trade_no,
      subject: content.subject,
      body: content.body,
      amount: content.total_amount,
      notifyUrl,
      paymentCode: undefined,
      qrCode: `https://qr.alipay.com/bax${random.hex(12)}`,
      parameters,
      acts,
      createdAtMs: nowMs,
      expiresAtMs: content.time_expire ?? expiresAtMs,
    });
    trades.put(waiting);
    letScan(waiting, acts);
    return qrAnswer(waiting);
  };

  return {
    name: 'alipay.trade.precreate',
    operation: 'pay',
    read: (request) => {
      const parsed = PrecreateContent.safeParse(request.content);
      if (!parsed.success) return undefined;
      return {
        outTradeNo: parsed.data.out_trade_no,
        description: parsed.data.subject,
        paymentCode: undefined,
        codeActs: [],
        perform: (acts) => create(request, parsed.data, acts),
        decline: (code) => failure(code),
      };
    },
  };
};
