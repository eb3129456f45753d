import { assertNever } from './assert.ts';
import { ATTEMPT_MOVES, type AttemptEvent, type AttemptState, isLiveAttempt } from './attempt.ts';
import { ATTEMPTS_MAX, type AttemptNo } from './ids.ts';
import { equalMoney } from './money.ts';
import type { Outcome } from './outcome.ts';
import { PAYMENT_MOVES, type Payment, type PaymentEvent, type PaymentState } from './payment.ts';
import { type Moves, nextState } from './state-machine.ts';

/** What news does to a payment. */
export type Settlement =
  /** A duplicate, or older than what is known. */
  | { readonly kind: 'unchanged'; readonly why: string }
  /** The attempt moves; the payment moves with it, or stays where `payment` is undefined. */
  | {
      readonly kind: 'moved';
      readonly attempt: { readonly event: AttemptEvent; readonly to: AttemptState };
      readonly payment: { readonly event: PaymentEvent; readonly to: PaymentState } | undefined;
      /** Start the next attempt in the same commit. */
      readonly startNext: boolean;
      /** The money pays for nothing and has to go back. */
      readonly surplus: boolean;
    }
  /** Nothing moves, because the news contradicts what is known: a person has to look. */
  | { readonly kind: 'hold'; readonly why: string };

const PAYMENTS: Moves<PaymentState, PaymentEvent> = PAYMENT_MOVES;
const ATTEMPTS: Moves<AttemptState, AttemptEvent> = ATTEMPT_MOVES;

const QUIET_EVENT = { pending_payer: 'awaits_payer', processing: 'in_process', unknown: 'lost' } as const;

type Known = Pick<Payment, 'state' | 'kind' | 'amount' | 'attempts' | 'expireAtMs'>;

const settleSuccess = (
  payment: Known,
  attempt: Known['attempts'][number],
  outcome: Extract<Outcome, { kind: 'succeeded' }>,
): Settlement => {
  // Asked before anything else: another amount contradicts what is known of a paid attempt too.
  if (!equalMoney(outcome.paid, payment.amount)) {
    const { currency, minorUnits } = outcome.paid;
    return { kind: 'hold', why: `the channel took ${minorUnits} ${currency}, another amount than was asked` };
  }
  if (attempt.state === 'succeeded' || attempt.state === 'surplus') {
    return attempt.channelTransactionId === outcome.channelTransactionId
      ? { kind: 'unchanged', why: 'duplicate' }
      : { kind: 'hold', why: `the channel names a second transaction, ${outcome.channelTransactionId}` };
  }
  const paysFor = nextState(PAYMENTS, payment.state, 'confirmed');
  return paysFor === undefined
    ? {
        kind: 'moved',
        attempt: { event: 'overpaid', to: 'surplus' },
        payment: undefined,
        startNext: false,
        surplus: true,
      }
    : {
        kind: 'moved',
        attempt: { event: 'confirmed', to: 'succeeded' },
        payment: { event: 'confirmed', to: paysFor },
        startNext: false,
        surplus: false,
      };
};

const settleFailure = (
  payment: Known,
  attempt: Known['attempts'][number],
  outcome: Extract<Outcome, { kind: 'failed_definite' }>,
  options: { readonly nowMs: number; readonly hasNextAttempt: boolean },
): Settlement => {
  if (attempt.state === 'succeeded' || attempt.state === 'surplus') {
    return { kind: 'hold', why: `the channel says ${outcome.reason} of an attempt that is ${attempt.state}` };
  }
  if (!isLiveAttempt(attempt.state)) return { kind: 'unchanged', why: 'duplicate' };
  const attemptMove = outcome.closed
    ? ({ event: 'closed', to: 'closed' } as const)
    : ({ event: 'refused', to: 'failed' } as const);
  // A payment that another attempt has ended, or that another attempt still carries, stays where it is.
  const othersLive = payment.attempts.some((other) => other !== attempt && isLiveAttempt(other.state));
  if (payment.state !== 'paying' || othersLive) {
    return { kind: 'moved', attempt: attemptMove, payment: undefined, startNext: false, surplus: false };
  }
  // What was closed was closed because no more money is wanted, and after expiry none is either.
  const mayGoOn = !outcome.closed && options.nowMs < payment.expireAtMs && payment.attempts.length < ATTEMPTS_MAX;
  const startNext = options.hasNextAttempt && mayGoOn;
  if (startNext) return { kind: 'moved', attempt: attemptMove, payment: undefined, startNext, surplus: false };
  // Only a till can show another payment code; every other kind has ended.
  const withoutMoney = payment.kind === 'payment_code' && mayGoOn ? 'declined' : 'failed';
  const event: PaymentEvent = outcome.closed ? 'closed' : withoutMoney;
  const to = nextState(PAYMENTS, payment.state, event);
  if (to === undefined) return { kind: 'hold', why: `${event} does not move a payment that is ${payment.state}` };
  return { kind: 'moved', attempt: attemptMove, payment: { event, to }, startNext: false, surplus: false };
};

/**
 * Decides what news about one attempt does to its payment: the only place that does, whoever learned the news (an answer,
 * a notification, a query, a bill, a person).
 *
 * @param nowMs wall clock, to know whether a declined payment may still be continued.
 * @param hasNextAttempt the caller has chosen another account, should this be a definite failure.
 */
export const settleAttempt = (
  payment: Known,
  attemptNo: AttemptNo,
  outcome: Outcome,
  options: { readonly nowMs: number; readonly hasNextAttempt: boolean },
): Settlement => {
  const attempt = payment.attempts.find((candidate) => candidate.attemptNo === attemptNo);
  if (attempt === undefined) return { kind: 'hold', why: `the payment has no attempt ${attemptNo}` };
  switch (outcome.kind) {
    case 'succeeded':
      return settleSuccess(payment, attempt, outcome);
    case 'failed_definite':
      return settleFailure(payment, attempt, outcome, options);
    case 'pending_payer':
    case 'processing':
    case 'unknown': {
      const event = QUIET_EVENT[outcome.kind];
      const to = nextState(ATTEMPTS, attempt.state, event);
      return to === undefined
        ? { kind: 'unchanged', why: `${outcome.kind} says nothing new of an attempt that is ${attempt.state}` }
        : { kind: 'moved', attempt: { event, to }, payment: undefined, startNext: false, surplus: false };
    }
    default:
      return assertNever(outcome);
  }
};
