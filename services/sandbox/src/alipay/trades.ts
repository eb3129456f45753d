import { atWallTime, type Clock, type Random } from '@tillmesh/clock';
import { assertNever } from '@tillmesh/domain';
import { compactInBeijing } from '../beijing-time.ts';
import type { Ledger } from '../ledger.ts';
import type { Payers } from '../payers.ts';
import type { PayerPlan } from '../script.ts';
import type { State } from '../state.ts';
import type {
  AlipayTrade,
  BuyerAtWork,
  ClosedTrade,
  PaidTrade,
  Precreated,
  TradeTerms,
  VisibleTrade,
  Waiting,
} from './trade.ts';
import * as trade from './trade.ts';

/** How long a precreated QR can be scanned where the merchant set no time: 2 hours (alipay.trade.precreate). */
const QR_VALID_MS = 2 * 3_600_000;
/** How long a trade waits for its buyer where the merchant set no time: 15 days. */
const TRADE_OPEN_MS = 15 * 24 * 3_600_000;

/** The trades of all merchants, and the buyers' work on them. */
export interface AlipayTrades {
  /** A trade as it is now: whatever has fallen due in the meantime has happened. */
  find(appId: string, outTradeNo: string): AlipayTrade | undefined;
  findByTradeNo(appId: string, tradeNo: string): AlipayTrade | undefined;
  findByQrCode(qrCode: string): AlipayTrade | undefined;
  /** False where the sandbox holds as many trades as it may. */
  hasRoom(): boolean;
  put(changed: AlipayTrade): void;
  /** Begins a trade with a buyer who is known, by code or by scan. A decline is kept without a trade. */
  begin(terms: TradeTerms, buyerId: string, plan: PayerPlan): AlipayTrade;
  /** A trade of a buyer who is known and has not begun to pay. */
  createFor(terms: TradeTerms, buyerId: string): Waiting;
  /** Lets a buyer act on a trade that waits and that nobody is at. */
  buyerActs(waiting: Waiting, plan: PayerPlan): AlipayTrade;
  /** Gives everything back and closes. */
  cancelPaid(kept: PaidTrade): ClosedTrade;
  /** Takes up again what buyers were at when the process ended. */
  resume(): void;
}

/** A trade's whole amount as a movement of the ledger. */
export const movementOf = (paid: PaidTrade) => ({
  channel: 'alipay' as const,
  accountId: paid.accountId,
  merchantId: paid.appId,
  outTradeNo: paid.outTradeNo,
  transactionId: paid.tradeNo,
  refundNo: undefined,
  payerId: paid.buyerId,
  amount: paid.amount,
});

export const createAlipayTrades = (deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly random: Random;
  readonly payers: Payers;
  readonly ledger: Ledger;
  readonly ordersMax: number;
  readonly codeTradeClosedAfterMs: number;
  /** Called for every trade that became paid, in the same step. */
  readonly onPaid: (paid: PaidTrade) => void;
}): AlipayTrades => {
  const { clock, random, payers, ledger } = deps;
  const table = deps.state.table<AlipayTrade>('alipay_trade', ({ key }) => key);
  const byTradeNo = table.index((row) => ('tradeNo' in row ? row.tradeNo : undefined));
  const byQrCode = table.index((row) => row.qrCode);

  // 28 digits: the day, 2200, and chance, as in the documents' samples.
  const newTradeNo = (): string => {
    const day = compactInBeijing(clock.nowMs()).slice(0, 8);
    const count = String(table.size).padStart(6, '0').slice(-6);
    return `${day}2200${count}${String(random.below(10 ** 10)).padStart(10, '0')}`;
  };

  const pay = (waiting: Waiting, atMs: number): AlipayTrade => {
    if (!payers.canPay(waiting.buyerId, waiting.amount)) {
      const failed = trade.buyerFailed(waiting);
      table.put(failed);
      return failed;
    }
    const paid = trade.paidTrade(waiting, atMs);
    ledger.charge(movementOf(paid));
    table.put(paid);
    deps.onPaid(paid);
    return paid;
  };

  const endWork = (waiting: Waiting, work: BuyerAtWork): AlipayTrade => {
    switch (work.then) {
      case 'pays':
        return pay(waiting, work.endsAtMs);
      case 'gives_up': {
        const failed = trade.buyerFailed(waiting);
        table.put(failed);
        return failed;
      }
      default:
        return assertNever(work.then);
    }
  };

  const qrEndsAtMs = (row: Precreated): number =>
    Math.min(row.createdAtMs + QR_VALID_MS, row.expiresAtMs ?? Number.POSITIVE_INFINITY);

  const settled = (row: AlipayTrade | undefined): AlipayTrade | undefined => {
    const nowMs = clock.nowMs();
    if (row?.state === 'precreated' && qrEndsAtMs(row) <= nowMs) {
      const ended = trade.withdrawn(row);
      table.put(ended);
      return ended;
    }
    if (row?.state !== 'WAIT_BUYER_PAY') return row;
    const { atWork } = row;
    if (atWork !== undefined && atWork.endsAtMs <= Math.min(nowMs, row.closesAtMs))
      return settled(endWork(row, atWork));
    if (row.closesAtMs > nowMs) return row;
    const closed = trade.closedUnpaid(row);
    table.put(closed);
    return closed;
  };

  // The buyer's work ends without anybody asking: the notification has to go out.
  const waitForWork = (key: string, work: BuyerAtWork): void => {
    atWallTime(clock, work.endsAtMs, () => settled(table.get(key)));
  };

  const act = (waiting: Waiting, plan: PayerPlan): AlipayTrade => {
    switch (plan.act) {
      case 'pays':
        return pay(waiting, clock.nowMs());
      case 'types_password': {
        const work = { endsAtMs: clock.nowMs() + plan.seconds * 1_000, then: plan.then };
        const typing = trade.buyerBegins(waiting, work);
        table.put(typing);
        waitForWork(typing.key, work);
        return typing;
      }
      case 'declines': {
        const failed = trade.buyerFailed(waiting);
        table.put(failed);
        return failed;
      }
      default:
        return assertNever(plan);
    }
  };

  const begin = (terms: TradeTerms, buyerId: string, plan: PayerPlan): AlipayTrade => {
    const isByCode = terms.paymentCode !== undefined;
    if (isByCode && plan.act === 'declines') {
      const refused = trade.declined(terms, plan.code);
      table.put(refused);
      return refused;
    }
    if (isByCode && plan.act === 'pays' && !payers.canPay(buyerId, terms.amount)) {
      const refused = trade.declined(terms, 'ACQ.BUYER_BALANCE_NOT_ENOUGH');
      table.put(refused);
      return refused;
    }
    const nowMs = clock.nowMs();
    const ownLimitMs = nowMs + (isByCode ? deps.codeTradeClosedAfterMs : TRADE_OPEN_MS);
    const closesAtMs = Math.min(ownLimitMs, terms.expiresAtMs ?? Number.POSITIVE_INFINITY);
    return act(trade.waitingForBuyer(terms, { tradeNo: newTradeNo(), buyerId, closesAtMs }), plan);
  };

  return {
    find: (appId, outTradeNo) => settled(table.get(trade.tradeKeyOf(appId, outTradeNo))),
    findByTradeNo: (appId, tradeNo) => {
      const row = byTradeNo(tradeNo);
      return row?.appId === appId ? settled(row) : undefined;
    },
    // A trade that was created is opened by its number.
    findByQrCode: (qrCode) => settled(byQrCode(qrCode) ?? byTradeNo(qrCode)),
    hasRoom: () => table.size < deps.ordersMax,
    put: (changed) => table.put(changed),
    begin,
    createFor: (terms, buyerId) => {
      const closesAtMs = Math.min(clock.nowMs() + TRADE_OPEN_MS, terms.expiresAtMs ?? Number.POSITIVE_INFINITY);
      const buyer = payers.meet('alipay', buyerId).payerId;
      const waiting = trade.waitingForBuyer(terms, { tradeNo: newTradeNo(), buyerId: buyer, closesAtMs });
      table.put(waiting);
      return waiting;
    },
    buyerActs: act,
    cancelPaid: (kept) => {
      const amount = trade.refundable(kept);
      if (amount > 0n) ledger.reverse({ ...movementOf(kept), amount });
      const cancelled = trade.cancelledPaid(kept);
      table.put(cancelled);
      return cancelled;
    },
    resume: () => {
      for (const row of table.values()) {
        if (row.state === 'WAIT_BUYER_PAY' && row.atWork !== undefined) waitForWork(row.key, row.atWork);
      }
    },
  };
};

/** The trade that Alipay would speak of; undefined where it would say that there is none. */
export const visible = (row: AlipayTrade | undefined): VisibleTrade | undefined =>
  trade.isVisible(row) ? row : undefined;
