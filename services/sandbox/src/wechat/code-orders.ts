import type { Clock } from '@tillmesh/clock';
import type { Payers } from '../payers.ts';
import { type Act, payerPlanOf } from '../script.ts';
import { isForAnother, type WechatAccount } from './account.ts';
import { type OrderTerms, revokedUnpaid, type WechatOrder } from './order.ts';
import type { WechatOrders } from './orders.ts';

/** What came of a payment code or of taking one back, in v2's words: v3 spells some of them otherwise. */
export type CodeResult =
  | { readonly kind: 'order'; readonly order: WechatOrder }
  | { readonly kind: 'refused'; readonly code: string };

// Codes that speak of the payer leave an order behind that has failed; the others say that the request was never
// taken. Reasons of the payer by https://pay.weixin.qq.com/wiki/doc/api/micropay.php?chapter=9_10.
const CODES_ABOUT_THE_PAYER: ReadonlySet<string> = new Set([
  'NOTENOUGH',
  'NOTSUPORTCARD',
  'BUYER_MISMATCH',
  'TRADE_ERROR',
]);

const REVERSIBLE_FOR_MS = 7 * 24 * 3_600_000;

const refused = (code: string): CodeResult => ({ kind: 'refused', code });

const stateOf = (order: WechatOrder): CodeResult => {
  switch (order.state) {
    case 'SUCCESS':
      return { kind: 'order', order };
    case 'USERPAYING':
      return refused('USERPAYING');
    case 'PAYERROR':
      return refused(order.code);
    case 'REVOKED':
      return refused('ORDERREVERSED');
    case 'CLOSED':
      return refused('ORDERCLOSED');
    case 'NOTPAY':
      return refused('OUT_TRADE_NO_USED');
  }
};

const stateAgain = (order: WechatOrder, parameters: string): CodeResult => {
  // A paid order is told as such to everybody, also to whom its first answer was lost (research, 1.5).
  if (order.state === 'SUCCESS') return refused('ORDERPAID');
  if (order.state === 'REVOKED' || order.state === 'CLOSED') return stateOf(order);
  return order.parameters === parameters ? stateOf(order) : refused('OUT_TRADE_NO_USED');
};

/** Orders by payment code, whichever API asks for them. */
export const createCodeOrders = (deps: {
  readonly clock: Clock;
  readonly orders: WechatOrders;
  readonly payers: Payers;
  readonly codeOrderRevokedAfterMs: number;
}) => {
  const { clock, orders, payers } = deps;
  return {
    /** What the payment code itself says about how the order goes. */
    actsOf: (paymentCode: string, key: string): readonly Act[] => {
      const looked = payers.lookAtCode('wechat', paymentCode, `wechat/${key}`);
      return looked.kind === 'taken' ? looked.acts : [];
    },

    endsAtMs: (): number => clock.nowMs() + deps.codeOrderRevokedAfterMs,

    /** @param declineCode a script's wish that the payer be refused. */
    pay: (terms: OrderTerms, acts: readonly Act[], declineCode: string | undefined): CodeResult => {
      const before = orders.find(terms.mchid, terms.outTradeNo);
      if (before !== undefined) return stateAgain(before, terms.parameters);
      if (declineCode !== undefined && !CODES_ABOUT_THE_PAYER.has(declineCode)) return refused(declineCode);
      const authCode = terms.paymentCode ?? '';
      const code = payers.lookAtCode('wechat', authCode, `wechat/${terms.key}`);
      switch (code.kind) {
        case 'malformed':
        case 'used':
          return refused('AUTH_CODE_ERROR');
        case 'foreign':
          return refused('AUTH_CODE_INVALID');
        case 'expired':
          return refused('AUTHCODEEXPIRE');
        case 'taken': {
          if (!orders.hasRoom()) return refused('FREQUENCY_LIMITED');
          payers.useCode(authCode, `wechat/${terms.key}`);
          const plan = declineCode === undefined ? payerPlanOf(acts) : { act: 'declines' as const, code: declineCode };
          return stateOf(orders.placeWithCode(terms, code.payer.payerId, plan));
        }
      }
    },

    /** Closes what is unpaid and gives back what is paid. */
    reverse: (order: WechatOrder | undefined, account: WechatAccount): CodeResult => {
      if (order === undefined) return refused('ORDERNOTEXIST');
      if (order.tradeType !== 'MICROPAY' || isForAnother(order, account)) return refused('INVALID_REQUEST');
      switch (order.state) {
        case 'USERPAYING':
          return refused('USERPAYING');
        case 'REVOKED':
          return { kind: 'order', order };
        case 'CLOSED':
          return refused('ORDERCLOSED');
        case 'NOTPAY':
        case 'PAYERROR': {
          const revoked = revokedUnpaid(order);
          orders.put(revoked);
          return { kind: 'order', order: revoked };
        }
        case 'SUCCESS':
          if (clock.nowMs() - order.paidAtMs > REVERSIBLE_FOR_MS) return refused('REVERSE_EXPIRE');
          return { kind: 'order', order: orders.reverse(order) };
      }
    },
  };
};

export type CodeOrders = ReturnType<typeof createCodeOrders>;
