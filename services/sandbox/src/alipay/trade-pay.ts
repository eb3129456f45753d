import type { Clock } from '@tillmesh/clock';
import { yuanText } from '../fen.ts';
import type { Payers } from '../payers.ts';
import { type Act, payerPlanOf } from '../script.ts';
import { type AlipayAnswer, failure, success, waitingForBuyer } from './answer.ts';
import { canonical, PayContent } from './biz-content.ts';
import type { AlipayMethod } from './call.ts';
import type { AlipayRequest } from './gate.ts';
import { type AlipayTrade, type TradeTerms, tradeKeyOf } from './trade.ts';
import { buyerFields, payAnswerFields } from './trade-view.ts';
import type { AlipayTrades } from './trades.ts';

type Content = ReturnType<typeof PayContent.parse>;

// Codes that speak of the buyer are kept, so that a repeated request hears them again; the others say that the request
// was never taken. Names: the error table of alipay.trade.pay.
const CODES_ABOUT_THE_BUYER =
  /^ACQ\.(?:BUYER_|ERROR_B|BEYOND_|NO_PAYMENT_INSTRUMENTS_AVAILABLE$|USER_FACE_PAYMENT_SWITCH_OFF$)/;

const answerFor = (trade: AlipayTrade): AlipayAnswer => {
  switch (trade.state) {
    case 'TRADE_SUCCESS':
      return success(payAnswerFields(trade));
    case 'WAIT_BUYER_PAY':
      return waitingForBuyer({
        trade_no: trade.tradeNo,
        out_trade_no: trade.outTradeNo,
        ...buyerFields(trade),
        total_amount: yuanText(trade.amount),
      });
    case 'declined':
      return failure(trade.code);
    case 'TRADE_CLOSED':
    case 'withdrawn':
      return failure('ACQ.TRADE_HAS_CLOSE');
    case 'precreated':
      return failure('ACQ.CONTEXT_INCONSISTENT');
  }
};

/** alipay.trade.pay with scene bar_code: the till has scanned the buyer's code. */
export const createTradePay = (deps: {
  readonly clock: Clock;
  readonly payers: Payers;
  readonly trades: AlipayTrades;
}): AlipayMethod => {
  const { clock, payers, trades } = deps;

  const termsOf = ({ account, notifyUrl }: AlipayRequest, content: Content, acts: readonly Act[]): TradeTerms => {
    const nowMs = clock.nowMs();
    const expiresAtMs = content.timeout_express === undefined ? undefined : nowMs + content.timeout_express;
    return {
      key: tradeKeyOf(account.appId, content.out_trade_no),
      accountId: account.accountId,
      appId: account.appId,
      sellerId: account.sellerId,
      outTradeNo: content.out_trade_no,
      subject: content.subject,
      body: content.body,
      amount: content.total_amount,
      notifyUrl,
      paymentCode: content.auth_code,
      qrCode: undefined,
      parameters: `pay ${canonical(content, ['auth_code'])}`,
      acts,
      createdAtMs: nowMs,
      expiresAtMs: content.time_expire ?? expiresAtMs,
    };
  };

  /** A request for a number that was used before; undefined where it may go on as a new try. */
  const answerAgain = (before: AlipayTrade, terms: TradeTerms): AlipayAnswer | undefined => {
    if (before.state === 'TRADE_SUCCESS') return failure('ACQ.TRADE_HAS_SUCCESS');
    if (before.state === 'TRADE_CLOSED' || before.state === 'withdrawn') return answerFor(before);
    if (before.parameters !== terms.parameters) return failure('ACQ.CONTEXT_INCONSISTENT');
    return before.paymentCode === terms.paymentCode ? answerFor(before) : undefined;
  };

  /** @param declineCode a script's wish that the buyer be refused. */
  const pay = (
    request: AlipayRequest,
    content: Content,
    acts: readonly Act[],
    declineCode: string | undefined,
  ): AlipayAnswer => {
    const terms = termsOf(request, content, acts);
    const before = trades.find(terms.appId, terms.outTradeNo);
    const again = before === undefined ? undefined : answerAgain(before, terms);
    if (again !== undefined) return again;
    if (declineCode !== undefined && !CODES_ABOUT_THE_BUYER.test(declineCode)) return failure(declineCode);
    const code = payers.lookAtCode('alipay', content.auth_code, `alipay/${terms.key}`);
    if (code.kind !== 'taken') return failure('ACQ.PAYMENT_AUTH_CODE_INVALID');
    const { payerId } = code.payer;
    const isOther = before?.state === 'WAIT_BUYER_PAY' && before.buyerId !== payerId;
    if (isOther) return failure('ACQ.TRADE_BUYER_NOT_MATCH');
    if (!trades.hasRoom()) return failure('20000');
    payers.useCode(content.auth_code, `alipay/${terms.key}`);
    const plan = declineCode === undefined ? payerPlanOf(acts) : { act: 'declines' as const, code: declineCode };
    if (before?.state !== 'WAIT_BUYER_PAY') return answerFor(trades.begin(terms, payerId, plan));
    // The buyer tries again with a fresh code: the same trade goes on.
    return answerFor(trades.buyerActs({ ...before, paymentCode: content.auth_code }, plan));
  };

  return {
    name: 'alipay.trade.pay',
    operation: 'pay',
    read: (request) => {
      const parsed = PayContent.safeParse(request.content);
      if (!parsed.success) return undefined;
      const content = parsed.data;
      const { appId } = request.account;
      const looked = payers.lookAtCode(
        'alipay',
        content.auth_code,
        `alipay/${tradeKeyOf(appId, content.out_trade_no)}`,
      );
      return {
        outTradeNo: content.out_trade_no,
        description: content.subject,
        paymentCode: content.auth_code,
        codeActs: looked.kind === 'taken' ? looked.acts : [],
        perform: (acts) => pay(request, content, acts, undefined),
        decline: (code, acts) => pay(request, content, acts, code),
      };
    },
  };
};
