import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ATTEMPTS_MAX,
  type AttemptState,
  assertNever,
  isFinalPayment,
  isLiveAttempt,
  money,
  nextState,
  type Outcome,
  PAYMENT_MOVES,
  type PaymentState,
  type Settlement,
  settleAttempt,
  unknownOutcome,
} from '../src/index.ts';
import {
  anAttempt,
  aPayment,
  attemptNo,
  closedByChannel,
  EXPIRE_AT_MS,
  type KnownPayment,
  refused,
  success,
  transaction,
} from './a-payment.ts';

type News =
  | 'success'
  | 'second_transaction'
  | 'other_amount'
  | 'refused'
  | 'closed'
  | 'pending'
  | 'processing'
  | 'unknown';
type Step =
  | { readonly kind: 'news'; readonly about: number; readonly news: News; readonly hasNextAttempt: boolean }
  | { readonly kind: 'continue' }
  | { readonly kind: 'close_declined' }
  | { readonly kind: 'expire' };

/** Where a history stands: the payment, the time, and the money that the channel has told of, by attempt. */
type World = { readonly payment: KnownPayment; readonly nowMs: number; readonly told: ReadonlySet<number> };

const outcomeOf = (news: News, about: number): Outcome => {
  switch (news) {
    case 'success':
      return success(`T${about}`);
    case 'second_transaction':
      return success(`X${about}`);
    case 'other_amount':
      return success(`T${about}`, money('CNY', 1_001));
    case 'refused':
      return refused();
    case 'closed':
      return closedByChannel();
    case 'pending':
      return { kind: 'pending_payer' };
    case 'processing':
      return { kind: 'processing' };
    case 'unknown':
      return unknownOutcome('time-out');
    default:
      return assertNever(news);
  }
};

/** What the order store does with a settlement. */
const apply = (payment: KnownPayment, about: number, settlement: Settlement, outcome: Outcome): KnownPayment => {
  if (settlement.kind !== 'moved') return payment;
  const attempts = payment.attempts.map((attempt) =>
    attempt.attemptNo === about
      ? {
          ...attempt,
          state: settlement.attempt.to,
          channelTransactionId:
            outcome.kind === 'succeeded' ? outcome.channelTransactionId : attempt.channelTransactionId,
        }
      : attempt,
  );
  const next = settlement.startNext ? [anAttempt(attempts.length + 1, 'started')] : [];
  return { ...payment, state: settlement.payment?.to ?? payment.state, attempts: [...attempts, ...next] };
};

const newsOf = fc.constantFrom<News>(
  'success',
  'second_transaction',
  'other_amount',
  'refused',
  'refused',
  'closed',
  'pending',
  'processing',
  'unknown',
);
const stepOf = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('news' as const),
      about: fc.integer({ min: 1, max: 4 }),
      news: newsOf,
      hasNextAttempt: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.constant<Step>({ kind: 'continue' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'close_declined' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'expire' }) },
);
const historyOf = fc.record({
  kind: fc.constantFrom('payment_code' as const, 'merchant_qr' as const),
  steps: fc.array(stepOf, { maxLength: 40 }),
});
type History = { readonly kind: 'payment_code' | 'merchant_qr'; readonly steps: readonly Step[] };

type Watch = (before: World, after: World, step: Step, settlement: Settlement | undefined) => void;

const play = ({ kind, steps }: History, watch: Watch = () => undefined): World => {
  let world: World = { payment: aPayment({ kind }), nowMs: EXPIRE_AT_MS - 1, told: new Set() };
  for (const step of steps) {
    const before = world;
    const { payment, nowMs, told } = before;
    let settlement: Settlement | undefined;
    if (step.kind === 'news') {
      if (step.about > payment.attempts.length) continue;
      const outcome = outcomeOf(step.news, step.about);
      settlement = settleAttempt(payment, attemptNo(step.about), outcome, {
        nowMs,
        hasNextAttempt: step.hasNextAttempt,
      });
      world = {
        ...before,
        payment: apply(payment, step.about, settlement, outcome),
        told: settlement.kind === 'moved' && outcome.kind === 'succeeded' ? new Set([...told, step.about]) : told,
      };
    } else if (step.kind === 'expire') {
      world = { ...before, nowMs: EXPIRE_AT_MS };
    } else {
      const event = step.kind === 'continue' ? 'continued' : 'closed';
      const mayMove = payment.state === 'declined' && payment.attempts.length < ATTEMPTS_MAX;
      const to = mayMove ? nextState<PaymentState, string>(PAYMENT_MOVES, payment.state, event) : undefined;
      if (to !== undefined) {
        const next = to === 'paying' ? [anAttempt(payment.attempts.length + 1, 'started')] : [];
        world = { ...before, payment: { ...payment, state: to, attempts: [...payment.attempts, ...next] } };
      }
    }
    watch(before, world, step, settlement);
  }
  return world;
};

const statesOf = (world: World): readonly AttemptState[] => world.payment.attempts.map(({ state }) => state);
const countOf = (world: World, state: AttemptState): number => statesOf(world).filter((each) => each === state).length;

const always = (watch: Watch) => {
  fc.assert(
    fc.property(historyOf, (history) => {
      play(history, watch);
    }),
    { numRuns: 1_500 },
  );
};

describe('whatever news comes, in whatever order', () => {
  test('at most one attempt pays, and exactly one where the payment is paid', () => {
    always((_before, after) => {
      expect(countOf(after, 'succeeded')).toBe(after.payment.state === 'succeeded' ? 1 : 0);
    });
  });

  test('a payment that is final never moves again', () => {
    always((before, after) => {
      if (isFinalPayment(before.payment.state)) expect(after.payment.state).toBe(before.payment.state);
    });
  });

  test('an attempt that took money never moves again', () => {
    always((before, after) => {
      before.payment.attempts.forEach(({ state }, index) => {
        if (state === 'succeeded' || state === 'surplus') expect(after.payment.attempts[index]?.state).toBe(state);
      });
    });
  });

  test('money is surplus exactly where it pays for nothing, and no money that was told of is forgotten', () => {
    always((_before, after, _step, settlement) => {
      const withMoney = after.payment.attempts.filter(({ state }) => state === 'succeeded' || state === 'surplus');
      expect(withMoney.map((attempt) => attempt.attemptNo)).toEqual([...after.told].toSorted((a, b) => a - b));
      expect(countOf(after, 'surplus')).toBe(after.told.size - (after.payment.state === 'succeeded' ? 1 : 0));
      if (settlement?.kind === 'moved') expect(settlement.surplus).toBe(settlement.attempt.to === 'surplus');
    });
  });

  test('unknown changes nothing but an attempt of which nothing was known', () => {
    always((before, after, step) => {
      if (step.kind !== 'news' || step.news !== 'unknown') return;
      const expected = statesOf(before).map((state, index) =>
        index + 1 === step.about && state === 'started' ? 'unknown' : state,
      );
      expect(statesOf(after)).toEqual(expected);
      expect(after.payment.state).toBe(before.payment.state);
    });
  });

  test('at most one attempt is live, and none is begun after money, expiry or the ninth', () => {
    always((before, after, step) => {
      expect(statesOf(after).filter(isLiveAttempt).length).toBeLessThanOrEqual(1);
      expect(after.payment.attempts.length).toBeLessThanOrEqual(ATTEMPTS_MAX);
      if (after.payment.attempts.length === before.payment.attempts.length || step.kind !== 'news') return;
      expect(before.payment.state).toBe('paying');
      expect(before.told.size).toBe(0);
      expect(before.nowMs).toBeLessThan(EXPIRE_AT_MS);
      expect(step.news).toBe('refused');
    });
  });

  test('a payment that is neither final nor declined has a live attempt or was paid for', () => {
    always((_before, after) => {
      if (after.payment.state === 'paying') expect(statesOf(after).some(isLiveAttempt)).toBe(true);
    });
  });

  test('the same news told twice changes nothing the second time', () => {
    always((_before, after, step) => {
      if (step.kind !== 'news' || step.about > after.payment.attempts.length) return;
      const outcome = outcomeOf(step.news, step.about);
      const again = settleAttempt(after.payment, attemptNo(step.about), outcome, {
        nowMs: after.nowMs,
        hasNextAttempt: true,
      });
      expect(again.kind).not.toBe('moved');
    });
  });

  test('what contradicts is held and moves nothing', () => {
    always((before, after, step, settlement) => {
      if (settlement?.kind === 'hold') expect(after.payment).toEqual(before.payment);
      if (step.kind === 'news' && step.news === 'other_amount' && settlement !== undefined) {
        expect(settlement.kind).toBe('hold');
      }
    });
  });
});

test('two attempts that both took money cost one refund, in whichever order the news comes', () => {
  const payment = aPayment({ attempts: ['unknown', 'unknown'] });
  const settle = (order: readonly [number, number]) =>
    order.reduce((state, about) => {
      const outcome = success(`T${about}`);
      return apply(
        state,
        about,
        settleAttempt(state, attemptNo(about), outcome, { nowMs: 0, hasNextAttempt: false }),
        outcome,
      );
    }, payment);
  const results = [settle([1, 2]), settle([2, 1])];
  expect(results.map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
  expect(results.map(({ attempts }) => attempts.map(({ state }) => state))).toEqual([
    ['succeeded', 'surplus'],
    ['surplus', 'succeeded'],
  ]);
  expect(results[1]?.attempts[0]?.channelTransactionId).toBe(transaction('T1'));
});
