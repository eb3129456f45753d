import type { Clock } from '@tillmesh/clock';
import { fen } from '../fen.ts';
import type { Payers } from '../payers.ts';
import { type Act, payerPlanOf } from '../script.ts';
import { type OrderTerms, orderKeyOf, type WechatOrder } from './order.ts';
import type { WechatOrders } from './orders.ts';
import { refuse, type V2Answer } from './v2-answer.ts';
import type { V2Operation } from './v2-call.ts';
import { fieldProblem } from './v2-fields.ts';
import type { V2Passed } from './v2-gate.ts';
import { answeredFields } from './v2-order-fields.ts';
import type { XmlFields } from './v2-xml.ts';

const NEEDED = ['mch_id', 'body', 'out_trade_no', 'total_fee', 'spbill_create_ip', 'auth_code'];
// What may differ between two sendings of one request.
const NOT_PARAMETERS: ReadonlySet<string> = new Set(['nonce_str', 'sign', 'sign_type']);

// Codes that speak of the payer leave an order behind that has failed; the others say that the request was never
// taken. Reasons of the payer by https://pay.weixin.qq.com/wiki/doc/api/micropay.php?chapter=9_10.
const CODES_ABOUT_THE_PAYER: ReadonlySet<string> = new Set([
  'NOTENOUGH',
  'NOTSUPORTCARD',
  'BUYER_MISMATCH',
  'TRADE_ERROR',
]);

const parametersOf = (fields: XmlFields): string =>
  JSON.stringify(
    [...fields]
      .filter(([name, value]) => !NOT_PARAMETERS.has(name) && value !== '')
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

const answerFor = (order: WechatOrder): V2Answer => {
  switch (order.state) {
    case 'SUCCESS':
      return { kind: 'done', fields: answeredFields(order) };
    case 'USERPAYING':
      return refuse('USERPAYING');
    case 'PAYERROR':
      return refuse(order.code);
    case 'REVOKED':
      return refuse('ORDERREVERSED');
    case 'CLOSED':
      return refuse('ORDERCLOSED');
    case 'NOTPAY':
      return refuse('OUT_TRADE_NO_USED');
  }
};

const answerAgain = (order: WechatOrder, parameters: string): V2Answer => {
  // A paid order is told as such to everybody, also to whom its first answer was lost (research, 1.5).
  if (order.state === 'SUCCESS') return refuse('ORDERPAID');
  if (order.state === 'REVOKED' || order.state === 'CLOSED') return answerFor(order);
  return order.parameters === parameters ? answerFor(order) : refuse('OUT_TRADE_NO_USED');
};

/** POST /pay/micropay: the till has scanned the payer's code. */
export const createMicropay = (deps: {
  readonly clock: Clock;
  readonly orders: WechatOrders;
  readonly payers: Payers;
  readonly codeOrderRevokedAfterMs: number;
}): V2Operation => {
  const { clock, orders, payers } = deps;

  const termsOf = ({ account, fields }: V2Passed, acts: readonly Act[]): OrderTerms => {
    const outTradeNo = fields.get('out_trade_no') ?? '';
    const nowMs = clock.nowMs();
    return {
      key: orderKeyOf(account.mchid, outTradeNo),
      accountId: account.accountId,
      mchid: account.mchid,
      appid: account.appid,
      outTradeNo,
      tradeType: 'MICROPAY',
      description: fields.get('body') ?? '',
      attach: fields.get('attach') || undefined,
      amount: fen(BigInt(fields.get('total_fee') ?? '0')),
      notifyUrl: undefined,
      openid: undefined,
      paymentCode: fields.get('auth_code'),
      prepay: undefined,
      parameters: parametersOf(fields),
      acts,
      createdAtMs: nowMs,
      endsAtMs: nowMs + deps.codeOrderRevokedAfterMs,
    };
  };

  /** @param declineCode a script's wish that the payer be refused. */
  const pay = (passed: V2Passed, acts: readonly Act[], declineCode: string | undefined): V2Answer => {
    const terms = termsOf(passed, acts);
    const before = orders.find(terms.mchid, terms.outTradeNo);
    if (before !== undefined) return answerAgain(before, terms.parameters);
    if (declineCode !== undefined && !CODES_ABOUT_THE_PAYER.has(declineCode)) return refuse(declineCode);
    const authCode = terms.paymentCode ?? '';
    const code = payers.lookAtCode('wechat', authCode, `wechat/${terms.key}`);
    switch (code.kind) {
      case 'malformed':
      case 'used':
        return refuse('AUTH_CODE_ERROR');
      case 'foreign':
        return refuse('AUTH_CODE_INVALID');
      case 'expired':
        return refuse('AUTHCODEEXPIRE');
      case 'taken': {
        if (!orders.hasRoom()) return refuse('FREQUENCY_LIMITED');
        payers.useCode(authCode, `wechat/${terms.key}`);
        const plan = declineCode === undefined ? payerPlanOf(acts) : { act: 'declines' as const, code: declineCode };
        return answerFor(orders.placeWithCode(terms, code.payer.payerId, plan));
      }
    }
  };

  return {
    name: 'v2.micropay',
    operation: 'pay',
    read: (passed) => {
      const { account, fields } = passed;
      const problem = fieldProblem(fields, account.appid, NEEDED);
      if (problem !== undefined) return problem;
      const outTradeNo = fields.get('out_trade_no') ?? '';
      const paymentCode = fields.get('auth_code') ?? '';
      const looked = payers.lookAtCode('wechat', paymentCode, `wechat/${orderKeyOf(account.mchid, outTradeNo)}`);
      return {
        order: () => orders.find(account.mchid, outTradeNo),
        description: fields.get('body'),
        paymentCode,
        codeActs: looked.kind === 'taken' ? looked.acts : [],
        perform: (acts) => pay(passed, acts, undefined),
        decline: (code, acts) => pay(passed, acts, code),
      };
    },
  };
};
