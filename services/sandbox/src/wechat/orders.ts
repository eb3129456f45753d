import { atWallTime, type Clock, type Random } from '@tillmesh/clock';
import { assertNever } from '@tillmesh/domain';
import { compactInBeijing } from '../beijing-time.ts';
import type { Ledger } from '../ledger.ts';
import type { Payers } from '../payers.ts';
import type { PayerPlan } from '../script.ts';
import type { State } from '../state.ts';
import type { NotPaid, OrderTerms, Paid, PayerAtWork, UserPaying, WechatOrder } from './order.ts';
import * as order from './order.ts';

/** The orders of all merchants, and the payers' work on them. */
export interface WechatOrders {
  /** An order as it is now: whatever has fallen due in the meantime has happened. */
  find(mchid: string, outTradeNo: string): WechatOrder | undefined;
  findByTransactionId(mchid: string, transactionId: string): WechatOrder | undefined;
  findByPrepay(prepay: string): WechatOrder | undefined;
  /** False where the sandbox holds as many orders as it may. */
  hasRoom(): boolean;
  put(changed: WechatOrder): void;
  /** Begins an order by QR or JSAPI. */
  place(terms: OrderTerms): NotPaid;
  /** Begins an order by payment code; the answer is what came of it at once. */
  placeWithCode(terms: OrderTerms, payerId: string, plan: PayerPlan): WechatOrder;
  /** Lets a payer act on an order by QR or JSAPI that nobody is at. */
  payerActs(waiting: NotPaid, payerId: string, plan: PayerPlan): WechatOrder;
  /** Gives everything back that a paid order still keeps. */
  reverse(kept: Paid): WechatOrder;
  /** Takes up again what payers were at when the process ended. */
  resume(): void;
}

export const createWechatOrders = (deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly random: Random;
  readonly payers: Payers;
  readonly ledger: Ledger;
  readonly ordersMax: number;
  /** Called for every order that became paid, in the same step. */
  readonly onPaid: (paid: Paid) => void;
}): WechatOrders => {
  const { clock, random, payers, ledger } = deps;
  const table = deps.state.table<WechatOrder>('wechat_order', ({ key }) => key);
  const byTransactionId = table.index((row) => ('transactionId' in row ? row.transactionId : undefined));
  const byPrepay = table.index((row) => row.prepay);

  // 28 digits: 4200, a counter, the day, and chance, as the numbers in WeChat Pay's own sample bill.
  const newTransactionId = (): string => {
    const day = compactInBeijing(clock.nowMs()).slice(0, 8);
    const chance = String(random.below(10 ** 10)).padStart(10, '0');
    return `4200${String(table.size).padStart(6, '0').slice(-6)}${day}${chance}`;
  };

  const pay = (waiting: NotPaid | UserPaying, payerId: string, atMs: number): WechatOrder => {
    if (!payers.canPay(payerId, waiting.amount)) {
      const failed = order.payerFailed(waiting, 'NOTENOUGH');
      table.put(failed);
      return failed;
    }
    const paid = order.paid(waiting, { payerId, transactionId: newTransactionId(), paidAtMs: atMs });
    ledger.charge(movementOf(paid));
    table.put(paid);
    deps.onPaid(paid);
    return paid;
  };

  const endWork = (waiting: NotPaid | UserPaying, work: PayerAtWork): WechatOrder => {
    switch (work.then) {
      case 'pays':
        return pay(waiting, work.payerId, work.endsAtMs);
      case 'gives_up': {
        const failed = order.payerFailed(waiting, 'USERPAYCANCELLED');
        table.put(failed);
        return failed;
      }
      default:
        return assertNever(work.then);
    }
  };

  /** What has fallen due happens, in the order in which it fell due: the payer's end of work before the order's. */
  const settled = (row: WechatOrder | undefined): WechatOrder | undefined => {
    if (row?.state !== 'NOTPAY' && row?.state !== 'USERPAYING') return row;
    const nowMs = clock.nowMs();
    const { atWork } = row;
    if (atWork !== undefined && atWork.endsAtMs <= Math.min(nowMs, row.endsAtMs)) return settled(endWork(row, atWork));
    if (row.endsAtMs > nowMs) return row;
    const ended = row.state === 'USERPAYING' ? order.revokedUnpaid(row) : order.closed(row);
    table.put(ended);
    return ended;
  };

  // The payer's work ends without anybody asking: the notification has to go out.
  const waitForWork = (key: string, work: PayerAtWork): void => {
    atWallTime(clock, work.endsAtMs, () => settled(table.get(key)));
  };

  const begin = (waiting: NotPaid, payerId: string, plan: PayerPlan): WechatOrder => {
    switch (plan.act) {
      case 'pays':
        return pay(waiting, payerId, clock.nowMs());
      case 'types_password': {
        const work = { payerId, endsAtMs: clock.nowMs() + plan.seconds * 1_000, then: plan.then };
        const isCode = waiting.tradeType === 'MICROPAY';
        const typing = isCode ? order.askedForPassword(waiting, work) : order.payerBegins(waiting, work);
        table.put(typing);
        waitForWork(typing.key, work);
        return typing;
      }
      case 'declines': {
        const failed = order.payerFailed(waiting, plan.code);
        table.put(failed);
        return failed;
      }
      default:
        return assertNever(plan);
    }
  };

  return {
    find: (mchid, outTradeNo) => settled(table.get(order.orderKeyOf(mchid, outTradeNo))),
    findByTransactionId: (mchid, transactionId) => {
      const row = byTransactionId(transactionId);
      return row?.mchid === mchid ? settled(row) : undefined;
    },
    findByPrepay: (prepay) => settled(byPrepay(prepay)),
    hasRoom: () => table.size < deps.ordersMax,
    put: (changed) => table.put(changed),
    place: (terms) => {
      const placed = order.notPaid(terms);
      table.put(placed);
      return placed;
    },
    placeWithCode: (terms, payerId, plan) => begin(order.notPaid(terms), payerId, plan),
    payerActs: begin,
    reverse: (kept) => {
      const amount = order.refundable(kept);
      if (amount > 0n) ledger.reverse({ ...movementOf(kept), amount });
      const revoked = order.revokedPaid(kept);
      table.put(revoked);
      return revoked;
    },
    resume: () => {
      for (const row of table.values()) {
        if ((row.state === 'NOTPAY' || row.state === 'USERPAYING') && row.atWork !== undefined) {
          waitForWork(row.key, row.atWork);
        }
      }
    },
  };
};

/** An order's whole amount as a movement of the ledger. */
export const movementOf = (paid: Paid) => ({
  channel: 'wechat' as const,
  accountId: paid.accountId,
  merchantId: paid.mchid,
  outTradeNo: paid.outTradeNo,
  transactionId: paid.transactionId,
  refundNo: undefined,
  payerId: paid.payerId,
  amount: paid.amount,
});
