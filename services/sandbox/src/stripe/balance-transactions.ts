import type { BillBook, BillEntry } from '../bills/bill-book.ts';
import { badParameter, ok } from './answer.ts';
import type { StripeRoute } from './call.ts';
import { secondsOf } from './intent-view.ts';
import type { StripeIntents } from './intents.ts';

const LIST_MAX = 100;
const LIST_DEFAULT = 10;
const SECOND_MS = 1_000;

/** GET /v1/balance_transactions of one day in UTC: what moved the account's balance, the newest first. */
export const createBalanceTransactions = (deps: {
  readonly book: BillBook;
  readonly intents: StripeIntents;
}): StripeRoute => {
  const viewOf = (accountId: string, entry: BillEntry, place: number, withSource: boolean, isWhole: boolean) => {
    const isCharge = entry.kind === 'charge';
    const [intent] = deps.intents.findByOrder(accountId, entry.outTradeNo);
    const currency = intent?.currency ?? 'cny';
    const amount = Number(entry.amountFen);
    const sourceId = `${isCharge ? 'ch' : 're'}_${entry.outTradeNo}${entry.refundNo ?? ''}`;
    const source = {
      id: sourceId,
      object: isCharge ? 'charge' : 'refund',
      amount,
      currency,
      created: secondsOf(entry.atMs),
      metadata: { order_no: entry.outTradeNo, ...(entry.refundNo === undefined ? {} : { refund_no: entry.refundNo }) },
      payment_intent: intent?.id ?? null,
      status: 'succeeded',
    };
    const fee = Number(isCharge ? entry.feeFen : 0n);
    return {
      id: `txn_${entry.outTradeNo}${entry.refundNo ?? ''}${entry.inTotals ? '' : '2'}x${place}`,
      object: 'balance_transaction',
      ...(isWhole ? { amount: isCharge ? amount : -amount } : {}),
      created: secondsOf(entry.atMs),
      currency,
      exchange_rate: null,
      ...(isWhole ? { fee } : {}),
      net: (isCharge ? amount : -amount) - fee,
      reporting_category: isCharge ? 'charge' : 'refund',
      source: withSource ? source : sourceId,
      status: 'pending',
      type: entry.state ?? (isCharge ? 'charge' : 'refund'),
    };
  };

  return {
    name: 'GET /v1/balance_transactions',
    read: ({ account, params }) => {
      const from = Number(params.get('created[gte]') ?? Number.NaN);
      // A list over more than a day nobody here needs.
      if (!Number.isSafeInteger(from)) return badParameter('parameter_missing', 'created[gte]');
      const { accountId } = account;
      const day = new Date(from * SECOND_MS).toISOString().slice(0, 10);
      const withSource = [...params].some(([name, value]) => name.startsWith('expand') && value === 'data.source');
      const limit = Math.min(Number(params.get('limit') ?? LIST_DEFAULT) || LIST_DEFAULT, LIST_MAX);
      return {
        operation: 'bill',
        outTradeNo: undefined,
        description: undefined,
        paymentCode: undefined,
        codeActs: [],
        perform: () => {
          const opened = deps.book.open({ channel: 'stripe', accountId, day });
          const [entries, faults] = opened.kind === 'bill' ? [opened.entries, opened.faults] : [[], new Set<string>()];
          const views = entries.map((entry, place) =>
            viewOf(accountId, entry, place, withSource, !faults.has('truncated')),
          );
          const found = views.toReversed();
          const at = found.findIndex(({ id }) => id === params.get('starting_after')) + 1;
          const data = found.slice(at, at + limit);
          return ok({ object: 'list', url: '/v1/balance_transactions', has_more: found.length > at + limit, data });
        },
        decline: () => badParameter('parameter_invalid_empty', 'created[gte]'),
      };
    },
  };
};
