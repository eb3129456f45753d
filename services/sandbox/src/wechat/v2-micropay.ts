import type { Clock } from '@tillmesh/clock';
import { fen } from '../fen.ts';
import type { Act } from '../script.ts';
import type { CodeOrders, CodeResult } from './code-orders.ts';
import { type OrderTerms, orderKeyOf } from './order.ts';
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

const parametersOf = (fields: XmlFields): string =>
  JSON.stringify(
    [...fields]
      .filter(([name, value]) => !NOT_PARAMETERS.has(name) && value !== '')
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

const answerOf = (result: CodeResult): V2Answer =>
  result.kind === 'order' && result.order.state === 'SUCCESS'
    ? { kind: 'done', fields: answeredFields(result.order) }
    : refuse(result.kind === 'refused' ? result.code : 'SYSTEMERROR');

/** POST /pay/micropay: the till has scanned the payer's code. */
export const createMicropay = (deps: {
  readonly clock: Clock;
  readonly orders: WechatOrders;
  readonly codeOrders: CodeOrders;
}): V2Operation => {
  const { clock, orders, codeOrders } = deps;

  const termsOf = ({ account, fields }: V2Passed, acts: readonly Act[]): OrderTerms => {
    const outTradeNo = fields.get('out_trade_no') ?? '';
    return {
      key: orderKeyOf(account.mchid, outTradeNo),
      accountId: account.accountId,
      mchid: account.mchid,
      appid: account.appid,
      sub: account.sub,
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
      createdAtMs: clock.nowMs(),
      endsAtMs: codeOrders.endsAtMs(),
    };
  };

  return {
    name: 'v2.micropay',
    operation: 'pay',
    read: (passed) => {
      const { account, fields } = passed;
      const problem = fieldProblem(fields, account, NEEDED);
      if (problem !== undefined) return problem;
      const outTradeNo = fields.get('out_trade_no') ?? '';
      const paymentCode = fields.get('auth_code') ?? '';
      return {
        order: () => orders.find(account.mchid, outTradeNo),
        description: fields.get('body'),
        paymentCode,
        codeActs: codeOrders.actsOf(paymentCode, orderKeyOf(account.mchid, outTradeNo)),
        perform: (acts) => answerOf(codeOrders.pay(termsOf(passed, acts), acts, undefined)),
        decline: (code, acts) => answerOf(codeOrders.pay(termsOf(passed, acts), acts, code)),
      };
    },
  };
};
