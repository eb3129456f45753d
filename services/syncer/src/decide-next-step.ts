import type { Plan } from './poll-plans.ts';

/** What is known after the channel was asked. */
export type Situation = {
  readonly nowMs: number;
  readonly attemptStartedAtMs: number;
  readonly paymentExpireAtMs: number;
  readonly isPaymentCode: boolean;
  /** How often the syncer has looked. */
  readonly checkCount: number;
  /** The channel said, verified, that it has no such order. */
  readonly orderNotFound: boolean;
  /** The channel answered with something verified. */
  readonly answered: boolean;
  readonly plan: Plan;
};

export type NextStep =
  | { readonly kind: 'wait'; readonly afterMs: number }
  /** Its time is over: ask the channel to end it. */
  | { readonly kind: 'end'; readonly by: 'reverse' | 'close' }
  /** No request can be on its way any more and the channel knows none: nothing can be taken. */
  | { readonly kind: 'never_arrived' };

const DOUBLE_EVERY_CHECKS = 10;

const endsAtMs = ({ attemptStartedAtMs, paymentExpireAtMs, isPaymentCode, plan }: Situation): number =>
  isPaymentCode && plan.giveUpAfterMs !== undefined
    ? Math.min(attemptStartedAtMs + plan.giveUpAfterMs, paymentExpireAtMs)
    : paymentExpireAtMs;

/** Decides what to do about an attempt that is still unresolved after a look at its channel. Pure. */
export const decideNextStep = (situation: Situation): NextStep => {
  const { nowMs, attemptStartedAtMs, checkCount, orderNotFound, answered, plan } = situation;
  const endMs = endsAtMs(situation);
  // An absence that nobody has signed is no absence: money may have been taken.
  const absent = orderNotFound && answered;
  if (absent && nowMs >= attemptStartedAtMs + plan.notFoundFinalAfterMs) return { kind: 'never_arrived' };
  // Asked to end only by a channel that can be heard: an end that nobody confirms is worth nothing.
  if (answered && nowMs >= endMs) return { kind: 'end', by: plan.endBy };
  const doubled = plan.stepMs * 2 ** Math.floor(checkCount / DOUBLE_EVERY_CHECKS);
  const stepMs = Math.min(doubled, plan.stepMsMax);
  // The end is not waited past.
  const untilEndMs = endMs > nowMs ? endMs - nowMs : stepMs;
  return { kind: 'wait', afterMs: Math.max(200, Math.min(stepMs, untilEndMs)) };
};
