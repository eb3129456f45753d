import type { Clock } from '@tillmesh/clock';
import type { AlipayTrade } from './alipay/trade.ts';
import type { AlipayTrades } from './alipay/trades.ts';
import type { Payers } from './payers.ts';
import { type Act, type ChannelName, type PayerPlan, payerPlanOf } from './script.ts';
import type { Intent } from './stripe/intent.ts';
import type { StripeIntents } from './stripe/intents.ts';
import type { UnionpayOrder } from './unionpay/order.ts';
import type { UnionpayOrders } from './unionpay/orders.ts';
import type { NotPaid, WechatOrder } from './wechat/order.ts';
import type { WechatOrders } from './wechat/orders.ts';

/** A simulated payer opens what a merchant shows: a WeChat code_url or prepay_id, an Alipay qr_code, what Stripe's next_action has. */
export type Scan = {
  readonly code: string;
  readonly payerId: string | undefined;
  /** How this payer goes on, and what is told of it; where they say nothing, the order's own script counts. */
  readonly acts: readonly Act[];
};

export type Scanned =
  | {
      readonly kind: 'scanned';
      readonly channel: ChannelName;
      readonly account: string;
      readonly outTradeNo: string;
      readonly state: string;
    }
  /** No order has such a code. */
  | { readonly kind: 'unknown' }
  /** The payer's wallet would show an error: paid, closed, too old, or somebody is at it. */
  | { readonly kind: 'refused'; readonly reason: string };

/** prepay_id and code_url live for 2 hours (research, 1.5). */
const PREPAY_VALID_MS = 2 * 3_600_000;

const isAboutOrder = ({ do: name }: Act): boolean =>
  ['notify_twice', 'never_notify', 'refund_ends', 'discount', 'terse'].includes(name);

export const createScanner = (deps: {
  readonly clock: Clock;
  readonly payers: Payers;
  readonly wechat: WechatOrders;
  readonly alipay: AlipayTrades;
  readonly stripe: StripeIntents;
  readonly unionpay: UnionpayOrders;
}): ((scan: Scan) => Scanned) => {
  const { clock, payers, wechat, alipay, stripe, unionpay } = deps;
  const planOf = (own: readonly Act[], scan: Scan): PayerPlan => payerPlanOf([...own, ...scan.acts]);
  // What this payer does must not be done again by the next one; what the channel tells of it stays with the order.
  const kept = (own: readonly Act[], scan: Scan): readonly Act[] => [...own, ...scan.acts.filter(isAboutOrder)];

  const scanWechat = (order: WechatOrder, scan: Scan): Scanned => {
    if (order.state !== 'NOTPAY') return { kind: 'refused', reason: `the order is ${order.state}` };
    if (order.atWork !== undefined) return { kind: 'refused', reason: 'a payer is at it already' };
    if (clock.nowMs() - order.createdAtMs > PREPAY_VALID_MS) return { kind: 'refused', reason: 'the code is too old' };
    const payer = payers.meet('wechat', order.openid ?? scan.payerId);
    const scripted: NotPaid = { ...order, acts: kept(order.acts, scan) };
    const after = wechat.payerActs(scripted, payer.payerId, planOf(order.acts, scan));
    return {
      kind: 'scanned',
      channel: 'wechat',
      account: order.accountId,
      outTradeNo: order.outTradeNo,
      state: after.state,
    };
  };

  const scanAlipay = (trade: AlipayTrade, scan: Scan): Scanned => {
    const scripted = { ...trade, acts: kept(trade.acts, scan) };
    const plan = planOf(trade.acts, scan);
    let after: AlipayTrade;
    if (scripted.state === 'precreated') {
      after = alipay.begin(scripted, payers.meet('alipay', scan.payerId).payerId, plan);
    } else if (scripted.state === 'WAIT_BUYER_PAY') {
      if (scripted.atWork !== undefined) return { kind: 'refused', reason: 'a payer is at it already' };
      if (scan.payerId !== undefined && scan.payerId !== scripted.buyerId) {
        return { kind: 'refused', reason: 'another buyer has scanned it before' };
      }
      after = alipay.buyerActs(scripted, plan);
    } else {
      return { kind: 'refused', reason: `the trade is ${trade.state}` };
    }
    return {
      kind: 'scanned',
      channel: 'alipay',
      account: trade.accountId,
      outTradeNo: trade.outTradeNo,
      state: after.state,
    };
  };

  const scanStripe = (intent: Intent, scan: Scan): Scanned => {
    if (intent.status !== 'requires_action') return { kind: 'refused', reason: `the intent is ${intent.status}` };
    if (intent.atWork !== undefined) return { kind: 'refused', reason: 'a payer is at it already' };
    const scripted = { ...intent, acts: kept(intent.acts, scan) };
    const payer = payers.meet('stripe', scan.payerId);
    const after = stripe.payerActs(scripted, payer.payerId, planOf(intent.acts, scan));
    return {
      kind: 'scanned',
      channel: 'stripe',
      account: intent.accountId,
      outTradeNo: intent.outTradeNo,
      state: after.status,
    };
  };

  const scanUnionpay = (order: UnionpayOrder, scan: Scan): Scanned => {
    if (order.state !== 'open') return { kind: 'refused', reason: `the order is ${order.state}` };
    if (order.atWork !== undefined) return { kind: 'refused', reason: 'a payer is at it already' };
    const payer = payers.meet('unionpay', scan.payerId);
    const scripted = { ...order, acts: kept(order.acts, scan) };
    const after = unionpay.payerActs(scripted, payer.payerId, planOf(order.acts, scan));
    return {
      kind: 'scanned',
      channel: 'unionpay',
      account: order.accountId,
      outTradeNo: order.orderId,
      state: after.state,
    };
  };

  return (scan) => {
    const order = wechat.findByPrepay(scan.code.replace(/^prepay_id=/, ''));
    if (order !== undefined) return scanWechat(order, scan);
    const trade = alipay.findByQrCode(scan.code);
    if (trade !== undefined) return scanAlipay(trade, scan);
    const scanned = unionpay.findByQrCode(scan.code);
    if (scanned !== undefined) return scanUnionpay(scanned, scan);
    const intent = stripe.findByCode(scan.code);
    return intent === undefined ? { kind: 'unknown' } : scanStripe(intent, scan);
  };
};
