import { atWallTime, type Clock, type Random } from '@tillmesh/clock';
import { assertNever } from '@tillmesh/domain';
import type { Ledger } from '../ledger.ts';
import type { Payers } from '../payers.ts';
import type { PayerPlan } from '../script.ts';
import type { State } from '../state.ts';
import type {
  Canceled,
  Intent,
  LastError,
  Method,
  Open,
  PayerAtWork,
  Succeeded,
  Terms,
  WaitingForPayer,
} from './intent.ts';
import * as moves from './intent.ts';

/** The intents of all accounts, and the payers' work on them. */
export interface StripeIntents {
  /** An intent as it is now: whatever has fallen due in the meantime has happened. */
  find(accountId: string, id: string): Intent | undefined;
  findByOrder(accountId: string, outTradeNo: string): readonly Intent[];
  findByCode(code: string): Intent | undefined;
  /** Those of an account, newest first. */
  newestFirst(accountId: string): readonly Intent[];
  hasRoom(): boolean;
  newId(): string;
  put(changed: Intent): void;
  /** Confirms with a wallet: there is something to scan or to open now. */
  offer(terms: Terms, method: Method): WaitingForPayer;
  /** Confirms with a card whose payer goes on as planned. */
  chargeCard(terms: Terms, payerId: string, plan: PayerPlan): Intent;
  /** Lets a payer act on an intent that waits and that nobody is at. */
  payerActs(waiting: WaitingForPayer, payerId: string, plan: PayerPlan): Intent;
  cancel(intent: Open, reason: string | undefined): Canceled;
  resume(): void;
}

/** A payment as a movement of the ledger. */
export const movementOf = (paid: Succeeded) => ({
  channel: 'stripe' as const,
  accountId: paid.accountId,
  merchantId: paid.stripeAccountId,
  outTradeNo: paid.outTradeNo,
  transactionId: paid.id,
  refundNo: undefined,
  payerId: paid.payerId,
  amount: paid.amount,
});

export const createStripeIntents = (deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly random: Random;
  readonly payers: Payers;
  readonly ledger: Ledger;
  readonly ordersMax: number;
  /** Called in the step in which it happened. */
  readonly news: {
    readonly paid: (intent: Succeeded) => void;
    readonly failed: (intent: Intent) => void;
    readonly canceled: (intent: Canceled) => void;
  };
}): StripeIntents => {
  const { clock, random, payers, ledger, news } = deps;
  const table = deps.state.table<Intent>('stripe_intent', ({ id }) => id);
  const byCode = table.index((row) => (row.status === 'requires_action' ? row.code : undefined));
  const ofAccount = new Map<string, string[]>();
  const ofOrder = new Map<string, Set<string>>();
  const seen = new Set<string>();
  table.watch(({ id, accountId, outTradeNo }) => {
    if (seen.has(id)) return;
    seen.add(id);
    const ids = ofAccount.get(accountId) ?? [];
    ids.push(id);
    ofAccount.set(accountId, ids);
    const order = `${accountId}/${outTradeNo}`;
    ofOrder.set(order, (ofOrder.get(order) ?? new Set()).add(id));
  });

  const failed = (terms: Terms, lastError?: LastError): Intent => {
    const after = moves.withoutMethod(terms, lastError);
    table.put(after);
    news.failed(after);
    return after;
  };

  const pay = (terms: Terms, method: Method, payerId: string, paidAtMs: number): Intent => {
    if (!payers.canPay(payerId, terms.amount)) return failed(terms, { declineCode: 'insufficient_funds' });
    const { paymentMethod } = terms;
    const chargeId = `ch_3${random.hex(11)}`;
    const paid = moves.succeeded(terms, { method, chargeId, payerId, paidAtMs, paymentMethod });
    ledger.charge(movementOf(paid));
    table.put(paid);
    news.paid(paid);
    return paid;
  };

  const endWork = (waiting: WaitingForPayer, work: PayerAtWork, payerId: string): Intent => {
    switch (work.then) {
      case 'pays':
        return pay(moves.termsOf(waiting), waiting.method, payerId, work.endsAtMs);
      case 'gives_up':
        return failed(moves.termsOf(waiting), { declineCode: 'generic_decline' });
      default:
        return assertNever(work.then);
    }
  };

  const settled = (row: Intent | undefined): Intent | undefined => {
    if (row?.status !== 'requires_action' || row.atWork === undefined || row.payerId === undefined) return row;
    return row.atWork.endsAtMs <= clock.nowMs() ? endWork(row, row.atWork, row.payerId) : row;
  };

  const waitForWork = (id: string, work: PayerAtWork): void => {
    atWallTime(clock, work.endsAtMs, () => settled(table.get(id)));
  };

  const offer = (terms: Terms, method: Method): WaitingForPayer => {
    const code =
      method === 'wechat_pay'
        ? `weixin://wxpay/bizpayurl?pr=${random.hex(8)}`
        : `https://hooks.stripe.com/redirect/authenticate/src_1${random.hex(12)}`;
    const paymentMethod = terms.paymentMethod ?? `pm_1${random.hex(12)}`;
    const waiting = moves.waitingForPayer(terms, {
      method,
      code,
      paymentMethod,
      payerId: undefined,
      atWork: undefined,
    });
    table.put(waiting);
    return waiting;
  };

  const payerActs = (waiting: WaitingForPayer, payerId: string, plan: PayerPlan): Intent => {
    switch (plan.act) {
      case 'pays':
        return pay(moves.termsOf(waiting), waiting.method, payerId, clock.nowMs());
      case 'types_password': {
        const atWork = { endsAtMs: clock.nowMs() + plan.seconds * 1_000, then: plan.then };
        const typing = moves.waitingForPayer(waiting, { ...waiting, payerId, atWork });
        table.put(typing);
        waitForWork(typing.id, atWork);
        return typing;
      }
      case 'declines':
        return failed(moves.termsOf(waiting), { declineCode: plan.code });
      default:
        return assertNever(plan);
    }
  };

  const found = (ids: Iterable<string>): readonly Intent[] => [...ids].flatMap((id) => settled(table.get(id)) ?? []);

  return {
    find: (accountId, id) => {
      const row = table.get(id);
      return row?.accountId === accountId ? settled(row) : undefined;
    },
    findByOrder: (accountId, outTradeNo) => found(ofOrder.get(`${accountId}/${outTradeNo}`) ?? []),
    findByCode: (code) => settled(byCode(code)),
    newestFirst: (accountId) => found((ofAccount.get(accountId) ?? []).toReversed()),
    hasRoom: () => table.size < deps.ordersMax,
    newId: () => `pi_3${random.hex(11)}`,
    put: (changed) => table.put(changed),
    offer,
    chargeCard: (terms, payerId, plan) => {
      // Whoever has to type goes to the bank's page first (3-D Secure).
      if (plan.act === 'types_password') return payerActs(offer(terms, 'card'), payerId, plan);
      if (plan.act === 'declines') return failed(terms, { declineCode: plan.code });
      return pay(terms, 'card', payerId, clock.nowMs());
    },
    payerActs,
    cancel: (intent, reason) => {
      const after = moves.canceled(intent, clock.nowMs(), reason);
      table.put(after);
      news.canceled(after);
      return after;
    },
    resume: () => {
      for (const row of table.values()) {
        if (row.status === 'requires_action' && row.atWork !== undefined) waitForWork(row.id, row.atWork);
      }
    },
  };
};
