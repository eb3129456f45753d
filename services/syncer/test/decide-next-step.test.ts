import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideNextStep, type NextStep, type Situation } from '../src/decide-next-step.ts';
import { CAUTIOUS_PLAN, type Plan } from '../src/poll-plans.ts';

const START_MS = 1_000_000;

/** A payment code at a channel that gives up after 45 s, and whose orders are certainly absent after 60 s. */
const CODE_PLAN: Plan = {
  firstAfterMs: 5_000,
  stepMs: 5_000,
  stepMsMax: 60_000,
  giveUpAfterMs: 45_000,
  endBy: 'reverse',
  notFoundFinalAfterMs: 60_000,
};
const QR_PLAN: Plan = { ...CODE_PLAN, giveUpAfterMs: undefined, endBy: 'close', notFoundFinalAfterMs: 90_000 };

const situation = (afterMs: number, changes: Partial<Situation> = {}): Situation => ({
  nowMs: START_MS + afterMs,
  attemptStartedAtMs: START_MS,
  paymentExpireAtMs: START_MS + 300_000,
  isPaymentCode: true,
  checkCount: 0,
  orderNotFound: false,
  answered: true,
  plan: CODE_PLAN,
  ...changes,
});

const wait = (afterMs: number): NextStep => ({ kind: 'wait', afterMs });
const reverse: NextStep = { kind: 'end', by: 'reverse' };
const close: NextStep = { kind: 'end', by: 'close' };
const neverArrived: NextStep = { kind: 'never_arrived' };
const qr = { isPaymentCode: false, plan: QR_PLAN };

const CASES: readonly (readonly [what: string, situation: Situation, step: NextStep])[] = [
  ['a code whose payer is typing', situation(10_000), wait(5_000)],
  ['a code shortly before its end', situation(43_000), wait(2_000)],
  ['a code a moment before its end', situation(44_999), wait(200)],
  ['a code at its end', situation(45_000), reverse],
  ['a code long past its end', situation(200_000), reverse],
  ['a code past its end, while the channel cannot be heard', situation(45_000, { answered: false }), wait(5_000)],
  ['a code whose payment expires first', situation(30_000, { paymentExpireAtMs: START_MS + 30_000 }), reverse],
  ['a QR past the time that codes have', situation(45_000, qr), wait(5_000)],
  ['a QR shortly before it expires', situation(299_000, qr), wait(1_000)],
  ['a QR that has expired', situation(300_000, qr), close],
  [
    'a QR of a channel that says when to give up: its expiry counts',
    situation(45_000, { isPaymentCode: false }),
    wait(5_000),
  ],
  [
    'an absent order that may be on its way',
    situation(59_999, { orderNotFound: true, plan: { ...CODE_PLAN, giveUpAfterMs: 90_000 } }),
    wait(5_000),
  ],
  ['an absent order past its end, before its absence is certain', situation(50_000, { orderNotFound: true }), reverse],
  ['an absent order whose absence is certain', situation(60_000, { orderNotFound: true }), neverArrived],
  ['an absence that is not verified', situation(60_000, { orderNotFound: true, answered: false }), wait(5_000)],
  ['an absent QR order, before it has expired', situation(90_000, { ...qr, orderNotFound: true }), neverArrived],
  ['the tenth look', situation(10_000, { checkCount: 9 }), wait(5_000)],
  ['the eleventh look', situation(10_000, { checkCount: 10 }), wait(10_000)],
  ['the hundredth look', situation(10_000, { ...qr, checkCount: 100 }), wait(60_000)],
  ['a channel that was never heard', situation(10_000, { plan: CAUTIOUS_PLAN }), wait(5_000)],
];

describe('what to do next about', () => {
  for (const [what, given, step] of CASES) {
    test(`${what}: ${step.kind}${step.kind === 'wait' ? ` ${step.afterMs} ms` : ''}`, () => {
      expect(decideNextStep(given)).toEqual(step);
    });
  }
});

const planOf: fc.Arbitrary<Plan> = fc.record({
  firstAfterMs: fc.integer({ min: 0, max: 60_000 }),
  stepMs: fc.integer({ min: 200, max: 60_000 }),
  stepMsMax: fc.integer({ min: 200, max: 600_000 }),
  giveUpAfterMs: fc.option(fc.integer({ min: 1_000, max: 600_000 }), { nil: undefined }),
  endBy: fc.constantFrom('reverse', 'close'),
  notFoundFinalAfterMs: fc.integer({ min: 1_000, max: 86_400_000 }),
});
const situationOf: fc.Arbitrary<Situation> = fc
  .record({
    afterMs: fc.integer({ min: -1_000, max: 900_000 }),
    expireAfterMs: fc.integer({ min: 60_000, max: 800_000 }),
    isPaymentCode: fc.boolean(),
    checkCount: fc.nat(2_000),
    orderNotFound: fc.boolean(),
    answered: fc.boolean(),
    plan: planOf,
  })
  .map(({ afterMs, expireAfterMs, ...rest }) => ({
    ...rest,
    attemptStartedAtMs: START_MS,
    nowMs: START_MS + afterMs,
    paymentExpireAtMs: START_MS + expireAfterMs,
  }));

/** When waiting ends, by the words of the plan. */
const endOf = ({ isPaymentCode, plan, attemptStartedAtMs, paymentExpireAtMs }: Situation): number =>
  Math.min(
    paymentExpireAtMs,
    isPaymentCode && plan.giveUpAfterMs !== undefined ? attemptStartedAtMs + plan.giveUpAfterMs : paymentExpireAtMs,
  );

const always = (holds: (given: Situation, step: NextStep) => boolean) =>
  fc.assert(
    fc.property(situationOf, (given) => {
      expect(holds(given, decideNextStep(given))).toBe(true);
    }),
    { numRuns: 2_000 },
  );

describe('in every situation', () => {
  test('nothing is ended before its time, nor by a channel that cannot be heard', () => {
    always((given, step) => step.kind !== 'end' || (given.answered && given.nowMs >= endOf(given)));
  });

  test('the end is not waited past', () => {
    always(
      (given, step) =>
        step.kind !== 'wait' ||
        given.nowMs >= endOf(given) ||
        given.nowMs + step.afterMs <= Math.max(endOf(given), given.nowMs + 200),
    );
  });

  test('an order never arrived only after its time, and only where that is verified', () => {
    always(
      (given, step) =>
        step.kind !== 'never_arrived' ||
        (given.orderNotFound &&
          given.answered &&
          given.nowMs >= given.attemptStartedAtMs + given.plan.notFoundFinalAfterMs),
    );
  });

  test('a wait is at least 200 ms and at most the plan’s longest', () => {
    always(
      (given, step) =>
        step.kind !== 'wait' || (step.afterMs >= 200 && step.afterMs <= Math.max(200, given.plan.stepMsMax)),
    );
  });

  test('a channel that can be heard is not asked for ever: past its end an attempt is ended or never arrived', () => {
    always((given, step) => !given.answered || given.nowMs < endOf(given) || step.kind !== 'wait');
  });
});
