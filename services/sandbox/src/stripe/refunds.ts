import { atWallTime, type Clock, type Random } from '@tillmesh/clock';
import { assertNever, parseMoney } from '@tillmesh/domain';
import type { Fen } from '../fen.ts';
import type { Ledger } from '../ledger.ts';
import { type Act, refundPlanOf } from '../script.ts';
import type { State } from '../state.ts';
import { badParameter, failure, noSuch, ok, refusal, type StripeAnswer } from './answer.ts';
import type { StripeCall, StripeRoute } from './call.ts';
import { pairsIn } from './form.ts';
import type { StripeRequest } from './gate.ts';
import { notReturning, refundable, returning, type Succeeded } from './intent.ts';
import { amountOf, secondsOf } from './intent-view.ts';
import { movementOf, type StripeIntents } from './intents.ts';

type End = 'succeeded' | 'failed' | 'requires_action' | 'canceled';

export type StripeRefund = {
  /** `re_…`. */
  readonly id: string;
  readonly accountId: string;
  readonly intentId: string;
  /** `metadata.refund_no`, or the id where there is none. */
  readonly refundNo: string;
  readonly amount: Fen;
  readonly currency: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly reason: string | undefined;
  readonly createdAtMs: number;
  readonly status: 'pending' | End;
  readonly endsAtMs: number;
  readonly endsAs: End;
};

export const refundView = (refund: StripeRefund) => ({
  id: refund.id,
  object: 'refund',
  amount: amountOf(refund.amount),
  charge: null,
  created: secondsOf(refund.createdAtMs),
  currency: refund.currency,
  metadata: refund.metadata,
  payment_intent: refund.intentId,
  reason: refund.reason ?? null,
  status: refund.status,
  ...(refund.status === 'failed' ? { failure_reason: 'unknown' } : {}),
});

const LIST_MAX = 100;
const REASONS: ReadonlySet<string> = new Set(['duplicate', 'fraudulent', 'requested_by_customer']);

/** The paths under /v1/refunds. */
export const createStripeRefunds = (deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly random: Random;
  readonly ledger: Ledger;
  readonly intents: StripeIntents;
  /** How long a refund to a wallet is pending. */
  readonly refundTakesMs: number;
  readonly news: (
    event: 'refund.created' | 'refund.updated' | 'refund.failed',
    refund: StripeRefund,
    of: Succeeded,
  ) => void;
}): { readonly routes: readonly StripeRoute[]; readonly resume: () => void } => {
  const { clock, random, ledger, intents, news } = deps;
  const table = deps.state.table<StripeRefund>('stripe_refund', ({ id }) => id);
  const ofIntent = new Map<string, Set<string>>();
  table.watch(({ id, intentId }) => ofIntent.set(intentId, (ofIntent.get(intentId) ?? new Set()).add(id)));

  const paidIntent = (refund: StripeRefund): Succeeded => {
    const intent = intents.find(refund.accountId, refund.intentId);
    if (intent?.status !== 'succeeded') throw new Error(`the refund ${refund.id} is of an intent that is not paid`);
    return intent;
  };

  /** @returns what it has become, and the event that tells of it. */
  const end = (refund: StripeRefund): StripeRefund => {
    const intent = paidIntent(refund);
    const ended = { ...refund, status: refund.endsAs };
    table.put(ended);
    switch (refund.endsAs) {
      case 'succeeded':
        ledger.refund({ ...movementOf(intent), refundNo: refund.refundNo, amount: refund.amount });
        break;
      case 'failed':
      case 'canceled':
        intents.put(notReturning(intent, refund.amount));
        break;
      case 'requires_action':
        break;
      default:
        assertNever(refund.endsAs);
    }
    return ended;
  };
  const settled = (refund: StripeRefund): StripeRefund => {
    if (refund.status !== 'pending' || refund.endsAtMs > clock.nowMs()) return refund;
    const ended = end(refund);
    news(ended.status === 'failed' ? 'refund.failed' : 'refund.updated', ended, paidIntent(ended));
    return ended;
  };
  const waitFor = (refund: StripeRefund): void => {
    atWallTime(clock, refund.endsAtMs, () => {
      const row = table.get(refund.id);
      if (row !== undefined) settled(row);
    });
  };

  const endOf = (acts: readonly Act[]): { readonly endsAs: End; readonly afterMs: number | undefined } => {
    const plan = refundPlanOf(acts);
    const afterMs = plan?.seconds === undefined ? undefined : plan.seconds * 1_000;
    switch (plan?.status) {
      case undefined:
      case 'SUCCESS':
        return { endsAs: 'succeeded', afterMs };
      case 'ABNORMAL':
        return { endsAs: 'requires_action', afterMs };
      case 'CLOSED':
        return { endsAs: 'failed', afterMs };
      default:
        return assertNever(plan?.status as never);
    }
  };

  const create = ({ params, account }: StripeRequest, intent: Succeeded, acts: readonly Act[]): StripeAnswer => {
    const amountText = params.get('amount');
    const amount =
      amountText === undefined
        ? refundable(intent)
        : /^[0-9]{1,12}$/.test(amountText)
          ? parseMoney(intent.currency.toUpperCase(), BigInt(amountText))?.minorUnits
          : undefined;
    if (amount === undefined || amount === 0n) return badParameter('parameter_invalid_integer', 'amount');
    if (refundable(intent) === 0n) {
      return refusal(400, 'invalid_request_error', 'Charge has already been refunded.', {
        code: 'charge_already_refunded',
      });
    }
    if (amount > refundable(intent)) {
      return refusal(400, 'invalid_request_error', 'Refund amount is greater than unrefunded amount on charge.', {
        param: 'amount',
      });
    }
    const metadata = pairsIn(params, 'metadata');
    const id = `re_3${random.hex(11)}`;
    const { endsAs, afterMs } = endOf([...intent.acts, ...acts]);
    const takesMs = afterMs ?? (intent.method === 'card' ? 0 : deps.refundTakesMs);
    const pending: StripeRefund = {
      id,
      accountId: account.accountId,
      intentId: intent.id,
      refundNo: metadata['refund_no'] ?? id,
      amount,
      currency: intent.currency,
      metadata,
      reason: params.get('reason'),
      createdAtMs: clock.nowMs(),
      status: 'pending',
      endsAtMs: clock.nowMs() + takesMs,
      endsAs,
    };
    intents.put(returning(intent, amount));
    table.put(pending);
    if (takesMs > 0) waitFor(pending);
    const shown = takesMs > 0 ? pending : end(pending);
    news('refund.created', shown, paidIntent(shown));
    return ok(refundView(shown));
  };

  const call = (
    request: StripeRequest,
    intentId: string,
    operation: StripeCall['operation'],
    perform: (acts: readonly Act[]) => StripeAnswer,
  ): StripeCall => {
    const intent = intents.find(request.account.accountId, intentId);
    return {
      operation,
      outTradeNo: intent?.outTradeNo,
      description: intent?.description,
      paymentCode: intent?.paymentMethod,
      codeActs: [],
      perform,
      decline: (code) => failure(code),
    };
  };

  const createRoute: StripeRoute = {
    name: 'POST /v1/refunds',
    read: (request) => {
      const intentId = request.params.get('payment_intent');
      if (intentId === undefined) return badParameter('parameter_missing', 'payment_intent');
      const reason = request.params.get('reason');
      if (reason !== undefined && !REASONS.has(reason)) return badParameter('parameter_invalid', 'reason');
      return call(request, intentId, 'refund', (acts) => {
        const intent = intents.find(request.account.accountId, intentId);
        if (intent === undefined) return noSuch('payment_intent', intentId);
        return intent.status === 'succeeded'
          ? create(request, intent, acts)
          : refusal(400, 'invalid_request_error', 'This PaymentIntent does not have a successful charge to refund.', {
              code: 'payment_intent_unexpected_state',
            });
      });
    },
  };

  const listRoute: StripeRoute = {
    name: 'GET /v1/refunds',
    read: (request) => {
      const intentId = request.params.get('payment_intent');
      // A list over everything nobody here needs.
      if (intentId === undefined) return badParameter('parameter_missing', 'payment_intent');
      return call(request, intentId, 'refund_query', () => {
        if (intents.find(request.account.accountId, intentId) === undefined) return noSuch('payment_intent', intentId);
        const found = [...(ofIntent.get(intentId) ?? [])]
          .flatMap((id) => table.get(id) ?? [])
          .map(settled)
          .toReversed();
        const limit = Math.min(Number(request.params.get('limit') ?? 10) || 10, LIST_MAX);
        const from = found.findIndex(({ id }) => id === request.params.get('starting_after')) + 1;
        const data = found.slice(from, from + limit).map(refundView);
        return ok({ object: 'list', url: '/v1/refunds', has_more: found.length > from + limit, data });
      });
    },
  };

  const retrieveRoute: StripeRoute = {
    name: 'GET /v1/refunds/{id}',
    read: (request, id) => {
      const row = table.get(id);
      const own = row?.accountId === request.account.accountId ? row : undefined;
      return call(request, own?.intentId ?? '', 'refund_query', () =>
        own === undefined ? noSuch('refund', id) : ok(refundView(settled(table.get(id) ?? own))),
      );
    },
  };

  return {
    routes: [createRoute, listRoute, retrieveRoute],
    resume: () => {
      for (const refund of table.values()) if (refund.status === 'pending') waitFor(refund);
    },
  };
};
