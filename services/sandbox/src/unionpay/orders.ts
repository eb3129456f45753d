import { atWallTime, type Clock, type Random } from '@tillmesh/clock';
import { compactInBeijing } from '../beijing-time.ts';
import { addFen, type Fen, subtractFen } from '../fen.ts';
import type { Ledger } from '../ledger.ts';
import type { Payers } from '../payers.ts';
import type { PayerPlan } from '../script.ts';
import type { State } from '../state.ts';
import { keyOf, type UnionpayOrder, type UnionpayRefund } from './order.ts';

/** The orders and refunds of all merchants, and the payers' work on them. */
export interface UnionpayOrders {
  /** An order as it is now: whatever has fallen due in the meantime has happened. */
  find(merId: string, orderId: string): UnionpayOrder | undefined;
  findByQrCode(qrCode: string): UnionpayOrder | undefined;
  findByQueryId(merId: string, queryId: string): UnionpayOrder | undefined;
  hasRoom(): boolean;
  put(order: UnionpayOrder): void;
  payerActs(order: UnionpayOrder, payerId: string, plan: PayerPlan): UnionpayOrder;
  findRefund(merId: string, orderId: string): UnionpayRefund | undefined;
  /** Undefined where more would go back than was paid. */
  refund(of: UnionpayOrder, refund: UnionpayRefund): UnionpayRefund | undefined;
  newQueryId(): string;
  resume(): void;
}

export const createUnionpayOrders = (deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly random: Random;
  readonly payers: Payers;
  readonly ledger: Ledger;
  readonly ordersMax: number;
  /** Called for every order that became paid, in the same step. */
  readonly onPaid: (order: UnionpayOrder) => void;
}): UnionpayOrders => {
  const { clock, random, payers, ledger } = deps;
  const table = deps.state.table<UnionpayOrder>('unionpay_order', ({ key }) => key);
  const byQrCode = table.index(({ qrCode }) => qrCode);
  const byQueryId = table.index(({ queryId }) => queryId);
  const refunds = deps.state.table<UnionpayRefund>('unionpay_refund', ({ key }) => key);

  const movementOf = (order: UnionpayOrder, amount: Fen, refundNo?: string) => ({
    channel: 'unionpay' as const,
    accountId: order.accountId,
    merchantId: order.merId,
    outTradeNo: order.orderId,
    transactionId: order.queryId,
    refundNo,
    payerId: order.payerId ?? '',
    amount,
  });

  const put = (order: UnionpayOrder): UnionpayOrder => {
    table.put(order);
    return order;
  };

  const pay = (order: UnionpayOrder, payerId: string, atMs: number): UnionpayOrder => {
    if (!payers.canPay(payerId, order.amount)) {
      return put({
        ...order,
        atWork: undefined,
        ...(order.paymentCode === undefined ? {} : { state: 'failed', respCode: '51' }),
      });
    }
    const paid = put({ ...order, state: 'paid', payerId, atWork: undefined, paidAtMs: atMs });
    ledger.charge(movementOf(paid, paid.amount));
    deps.onPaid(paid);
    return paid;
  };

  const settled = (order: UnionpayOrder | undefined): UnionpayOrder | undefined => {
    if (order?.state !== 'open') return order;
    const nowMs = clock.nowMs();
    const { atWork, payerId = '' } = order;
    if (atWork !== undefined && atWork.endsAtMs <= Math.min(nowMs, order.endsAtMs)) {
      if (atWork.then === 'pays') return pay(order, payerId, atWork.endsAtMs);
      return settled(
        put({
          ...order,
          atWork: undefined,
          ...(order.paymentCode === undefined ? {} : { state: 'failed', respCode: '89' }),
        }),
      );
    }
    return order.endsAtMs <= nowMs ? put({ ...order, state: 'expired', atWork: undefined }) : order;
  };

  // The payer's work ends without anybody asking: the notification has to go out.
  const wait = (order: UnionpayOrder): void => {
    if (order.atWork !== undefined) atWallTime(clock, order.atWork.endsAtMs, () => settled(table.get(order.key)));
  };

  return {
    find: (merId, orderId) => settled(table.get(keyOf(merId, orderId))),
    findByQrCode: (qrCode) => settled(byQrCode(qrCode)),
    findByQueryId: (merId, queryId) => {
      const order = settled(byQueryId(queryId));
      return order?.merId === merId ? order : undefined;
    },
    hasRoom: () => table.size < deps.ordersMax,
    put: (order) => void put(order),
    payerActs: (order, payerId, plan) => {
      switch (plan.act) {
        case 'pays':
          return pay(order, payerId, clock.nowMs());
        case 'types_password': {
          const atWork = { endsAtMs: clock.nowMs() + plan.seconds * 1_000, then: plan.then };
          const typing = put({ ...order, payerId, atWork });
          wait(typing);
          return typing;
        }
        case 'declines':
          return put(order.paymentCode === undefined ? order : { ...order, state: 'failed', respCode: plan.code });
      }
    },
    findRefund: (merId, orderId) => refunds.get(keyOf(merId, orderId)),
    refund: (of, refund) => {
      if (refund.amount > subtractFen(of.amount, of.refunded)) return undefined;
      put({ ...of, refunded: addFen(of.refunded, refund.amount) });
      ledger.refund(movementOf(of, refund.amount, refund.orderId));
      refunds.put(refund);
      return refund;
    },
    // 21 digits: the time, and chance, as in the documents' samples.
    newQueryId: () => `${compactInBeijing(clock.nowMs())}${String(random.below(10 ** 7)).padStart(7, '0')}`,
    resume: () => {
      for (const order of table.values()) wait(order);
    },
  };
};
