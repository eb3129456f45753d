import { atWallTime, type Clock, type Random } from '@tillmesh/clock';
import { assert } from '@tillmesh/domain';
import { compactInBeijing } from '../beijing-time.ts';
import type { Fen } from '../fen.ts';
import type { Ledger } from '../ledger.ts';
import { type Act, refundPlanOf } from '../script.ts';
import type { State } from '../state.ts';
import type { WechatNews } from './notifications.ts';
import { type Paid, refundAccepted, refundable, refundClosed, type WechatOrder } from './order.ts';
import { movementOf, type WechatOrders } from './orders.ts';
import { type RefundEnded, refundEnded, refundKeyOf, type WechatRefund } from './refund.ts';
import { refundNotice } from './refund-view.ts';

const REFUNDS_PER_ORDER_MAX = 50;
const REFUNDABLE_FOR_MS = 365 * 24 * 3_600_000;

export type RefundWish = {
  readonly mchid: string;
  readonly order: WechatOrder | undefined;
  readonly outRefundNo: string;
  readonly amount: Fen;
  readonly total: Fen;
  readonly notifyUrl: string | undefined;
  readonly acts: readonly Act[];
};

export type RefundAsked =
  | { readonly kind: 'accepted'; readonly refund: WechatRefund }
  | {
      readonly kind:
        | 'no_order'
        | 'not_paid'
        | 'total_differs'
        | 'number_used'
        | 'too_much'
        | 'too_many'
        | 'too_late'
        | 'too_soon';
    };

/** The refunds of all merchants, asked for by v2 or v3. */
export interface WechatRefunds {
  /** The same out_refund_no with the same parameters is the same refund, however often it is asked for. */
  ask(wish: RefundWish): RefundAsked;
  find(mchid: string, outRefundNo: string): WechatRefund | undefined;
  findByRefundId(mchid: string, refundId: string): WechatRefund | undefined;
  ofOrder(order: WechatOrder): readonly WechatRefund[];
  resume(): void;
}

export const createWechatRefunds = (deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly random: Random;
  readonly ledger: Ledger;
  readonly orders: WechatOrders;
  readonly news: WechatNews;
  readonly refundTakesMs: number;
  readonly refundGapMs: number;
}): WechatRefunds => {
  const { clock, random, orders, ledger } = deps;
  const table = deps.state.table<WechatRefund>('wechat_refund', (refund) => refund.key);
  const byRefundId = table.index((refund) => refund.refundId);
  const keysOfOrder = new Map<string, Set<string>>();
  const orderOf = ({ mchid, outTradeNo }: { readonly mchid: string; readonly outTradeNo: string }) =>
    `${mchid}/${outTradeNo}`;
  table.watch((refund) => {
    const keys = keysOfOrder.get(orderOf(refund)) ?? new Set<string>();
    keysOfOrder.set(orderOf(refund), keys.add(refund.key));
  });

  const moveMoney = (refund: RefundEnded): void => {
    const order = orders.find(refund.mchid, refund.outTradeNo);
    assert(order !== undefined, `${refund.outRefundNo} refunds an order that there is not`);
    if (order.state === 'SUCCESS' && refund.status === 'SUCCESS') {
      ledger.refund({ ...movementOf(order), refundNo: refund.outRefundNo, amount: refund.amount });
    }
    if (order.state === 'SUCCESS' && refund.status === 'CLOSED') orders.put(refundClosed(order, refund.amount));
    const content = refundNotice(refund, order);
    deps.news.refundEnded({ order, url: refund.notifyUrl, status: refund.status, content });
  };

  const settled = (refund: WechatRefund | undefined): WechatRefund | undefined => {
    if (refund?.status !== 'PROCESSING' || refund.endsAtMs > clock.nowMs()) return refund;
    const ended = refundEnded(refund);
    table.put(ended);
    moveMoney(ended);
    return ended;
  };
  const waitForEnd = (key: string, endsAtMs: number): void => {
    atWallTime(clock, endsAtMs, () => settled(table.get(key)));
  };
  const ofOrder = (order: { readonly mchid: string; readonly outTradeNo: string }): readonly WechatRefund[] =>
    [...(keysOfOrder.get(orderOf(order)) ?? [])].flatMap((key) => settled(table.get(key)) ?? []);

  const accept = (wish: RefundWish, order: Paid): RefundAsked => {
    const nowMs = clock.nowMs();
    const plan = refundPlanOf(wish.acts) ?? refundPlanOf(order.acts);
    const takesMs = plan?.seconds === undefined ? deps.refundTakesMs : plan.seconds * 1_000;
    const refund: WechatRefund = {
      key: refundKeyOf(wish.mchid, wish.outRefundNo),
      refundId: `5030${String(table.size).padStart(6, '0').slice(-6)}${compactInBeijing(nowMs).slice(0, 8)}${String(
        random.below(10 ** 11),
      ).padStart(11, '0')}`,
      mchid: wish.mchid,
      outRefundNo: wish.outRefundNo,
      outTradeNo: order.outTradeNo,
      transactionId: order.transactionId,
      amount: wish.amount,
      total: wish.total,
      notifyUrl: wish.notifyUrl,
      createdAtMs: nowMs,
      status: 'PROCESSING',
      endsAtMs: nowMs + takesMs,
      ends: plan?.status ?? 'SUCCESS',
    };
    orders.put(refundAccepted(order, wish.amount));
    table.put(refund);
    waitForEnd(refund.key, refund.endsAtMs);
    return { kind: 'accepted', refund };
  };

  return {
    ask: (wish) => {
      const { order } = wish;
      const before = settled(table.get(refundKeyOf(wish.mchid, wish.outRefundNo)));
      if (before !== undefined) {
        const isSame =
          before.outTradeNo === order?.outTradeNo && before.amount === wish.amount && before.total === wish.total;
        return isSame ? { kind: 'accepted', refund: before } : { kind: 'number_used' };
      }
      if (order === undefined) return { kind: 'no_order' };
      if (order.state !== 'SUCCESS') return { kind: 'not_paid' };
      if (order.amount !== wish.total) return { kind: 'total_differs' };
      if (wish.amount > refundable(order)) return { kind: 'too_much' };
      if (order.refunds >= REFUNDS_PER_ORDER_MAX) return { kind: 'too_many' };
      if (clock.nowMs() - order.paidAtMs > REFUNDABLE_FOR_MS) return { kind: 'too_late' };
      const lastAtMs = Math.max(...ofOrder(order).map((refund) => refund.createdAtMs), Number.NEGATIVE_INFINITY);
      if (clock.nowMs() - lastAtMs < deps.refundGapMs) return { kind: 'too_soon' };
      return accept(wish, order);
    },
    find: (mchid, outRefundNo) => settled(table.get(refundKeyOf(mchid, outRefundNo))),
    findByRefundId: (mchid, refundId) => {
      const refund = byRefundId(refundId);
      return refund?.mchid === mchid ? settled(refund) : undefined;
    },
    ofOrder,
    resume: () => {
      for (const refund of table.values()) if (refund.status === 'PROCESSING') waitForEnd(refund.key, refund.endsAtMs);
    },
  };
};
