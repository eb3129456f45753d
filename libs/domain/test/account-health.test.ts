import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Condition,
  DEFAULT_HEALTH_POLICY,
  definiteFailure,
  isSickTo,
  nextCondition,
  type Outcome,
  rateShare,
  returnedShare,
  signOf,
  unknownOutcome,
  WELL,
} from '../src/index.ts';

const POLICY = DEFAULT_HEALTH_POLICY;
const answered = { transport: 'answered', signature: 'verified', ruleId: 'r' } as const;

describe('an outcome', () => {
  const SIGNS: readonly (readonly [what: string, outcome: Outcome, sign: 'good' | 'bad' | undefined])[] = [
    ['nobody knows', unknownOutcome('ETIMEDOUT'), 'bad'],
    ['nothing was sent', definiteFailure({ transport: 'not_sent' }, 'channel_unreachable'), 'bad'],
    ['the channel refuses the account', definiteFailure(answered, 'account_refused'), 'bad'],
    ['the payer has to do something', { kind: 'pending_payer' }, 'good'],
    ['the channel works on it', { kind: 'processing' }, undefined],
    ['the payer has too little', definiteFailure(answered, 'insufficient_funds'), undefined],
    ['the code is used up', definiteFailure(answered, 'payment_code_invalid'), undefined],
    ['the payer refuses', definiteFailure(answered, 'payer_refused'), undefined],
    ['the payer goes away', definiteFailure(answered, 'payer_cancelled'), undefined],
  ];
  for (const [what, outcome, sign] of SIGNS) {
    test(`where ${what} speaks ${sign === undefined ? 'not of' : sign === 'good' ? 'for' : 'against'} the channel`, () => {
      expect(signOf(outcome)).toBe(sign);
    });
  }
});

describe('an account is sick', () => {
  for (const [what, own, others, isSick] of [
    ['where oneself finds so, whatever others say', 'sick', { sick: 0, well: 9 }, true],
    ['where one other finds so and nobody has seen it well', 'none', { sick: 1, well: 0 }, true],
    ['where more find it sick than well, oneself included', 'well', { sick: 2, well: 0 }, true],
    ['not where oneself and one other disagree', 'well', { sick: 1, well: 0 }, false],
    ['not where as many find it well', 'none', { sick: 2, well: 2 }, false],
    ['not where nobody says anything', 'none', undefined, false],
  ] as const) {
    test(what, () => {
      expect(isSickTo(own, others)).toBe(isSick);
    });
  }
});

describe('an account that was sick', () => {
  const sick = nextCondition(WELL, true, 1_000, POLICY);
  const back = nextCondition(sick, false, 5_000, POLICY);

  test('has nothing while it is, and everything before', () => {
    expect(returnedShare(WELL, 0, POLICY)).toBe(1);
    expect(returnedShare(sick, 1_000, POLICY)).toBe(0);
    expect(returnedShare(sick, 1_000_000, POLICY)).toBe(0);
  });

  for (const [afterMs, share] of [
    [0, 0.05],
    [999, 0.05],
    [1_000, 0.25],
    [2_999, 0.25],
    [3_000, 0.5],
    [4_999, 0.5],
    [5_000, 1],
  ] as const) {
    test(`has ${share * 100} % of its payments ${afterMs} ms later`, () => {
      expect(returnedShare(back, 5_000 + afterMs, POLICY)).toBe(share);
    });
  }

  test('begins more slowly each time that it falls back on its way, up to sixteen times', () => {
    let condition: Condition = back;
    let nowMs = 5_000;
    for (const factor of [2, 4, 8, 16, 16]) {
      nowMs += 100;
      condition = nextCondition(condition, true, nowMs, POLICY);
      nowMs += 100;
      condition = nextCondition(condition, false, nowMs, POLICY);
      expect(returnedShare(condition, nowMs + factor * 1_000 - 1, POLICY)).toBe(0.05);
      expect(returnedShare(condition, nowMs + factor * 1_000, POLICY)).toBe(0.25);
      // Only the first step is slower.
      expect(returnedShare(condition, nowMs + factor * 1_000 + 2_000, POLICY)).toBe(0.5);
    }
  });

  test('that had everything back begins as the first time', () => {
    const again = nextCondition(nextCondition(back, true, 10_000, POLICY), false, 11_000, POLICY);
    expect(again.relapses).toBe(0);
  });

  test('has everything at once where the table names no steps', () => {
    expect(returnedShare(back, 5_000, { ...POLICY, returnSteps: [] })).toBe(1);
  });

  test('never gets less with time, whatever the steps', () => {
    const stepsOf = fc
      .array(fc.record({ sharePercent: fc.integer({ min: 1, max: 99 }), ms: fc.integer({ min: 100, max: 10_000 }) }), {
        maxLength: 6,
      })
      .map((steps) => steps.toSorted((a, b) => a.sharePercent - b.sharePercent));
    fc.assert(
      fc.property(stepsOf, fc.array(fc.nat(100_000), { maxLength: 20 }), (returnSteps, moments) => {
        const shares = moments
          .toSorted((a, b) => a - b)
          .map((afterMs) => returnedShare(back, 5_000 + afterMs, { ...POLICY, returnSteps }));
        expect(shares).toEqual(shares.toSorted((a, b) => a - b));
      }),
    );
  });
});

describe('the rate of success', () => {
  for (const [good, bad, share] of [
    [0, 19, 1],
    [0, 20, 0.05],
    [95, 5, 1],
    [725, 275, 0.5],
    [50, 50, 0.05],
    [1_000, 0, 1],
  ] as const) {
    test(`of ${good} good and ${bad} bad leaves ${share * 100} %`, () => {
      expect(rateShare({ good, bad }, POLICY)).toBeCloseTo(share, 9);
    });
  }
});
