import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DETAIL_FIELDS,
  type Discount,
  detailsFrom,
  detailsOf,
  equalDetails,
  type KnownDetails,
  LEARNED_BY,
  mergeDetails,
  money,
  type PaymentDetails,
  soundDetails,
} from '../src/index.ts';

const cny = (minorUnits: bigint) => money('CNY', minorUnits);
const coupon = (minorUnits: bigint, changes: Partial<Discount> = {}): Discount => ({
  kind: 'coupon',
  name: 'five off',
  id: 'c-1',
  amount: cny(minorUnits),
  fundedBy: 'channel',
  ...changes,
});

const TOTAL = cny(1_000n);
const WHOLE: PaymentDetails = {
  payerId: 'openid-1',
  payerAccount: '159****5620',
  funding: { kind: 'balance', source: 'ALIPAYACCOUNT' },
  discounts: [coupon(200n, { fundedBy: 'merchant' })],
  payerPaid: cny(800n),
  settled: cny(800n),
};

describe('what counts of told details', () => {
  test('is all of it where it fits', () => {
    expect(soundDetails(WHOLE, TOTAL)).toEqual({ details: WHOLE, leftOut: [] });
  });

  test('is that there is no discount where the payer paid all', () => {
    expect(soundDetails({ payerPaid: TOTAL }, TOTAL).details).toMatchObject({ discounts: [], payerPaid: TOTAL });
    expect(soundDetails({ payerPaid: cny(999n) }, TOTAL).details.discounts).toBeUndefined();
  });

  test('is what the payer paid where the discounts are told', () => {
    expect(soundDetails({ discounts: [coupon(200n)] }, TOTAL).details.payerPaid).toEqual(cny(800n));
  });

  test('has the discounts in one order, and none of nothing', () => {
    const [a, b] = [coupon(1n, { id: 'a' }), coupon(2n, { id: 'b' })];
    expect(soundDetails({ discounts: [b, coupon(0n), a] }, TOTAL).details.discounts).toEqual([a, b]);
  });

  for (const [what, told, leftOut] of [
    ['a payer who paid too much', { payerPaid: cny(1_001n) }, [{ field: 'payerPaid', why: 'too_much' }]],
    ['another currency', { payerPaid: money('USD', 1n) }, [{ field: 'payerPaid', why: 'other_currency' }]],
    ['discounts above the amount', { discounts: [coupon(1_001n)] }, [{ field: 'discounts', why: 'too_much' }]],
    ['a settlement above the amount', { settled: cny(1_001n) }, [{ field: 'settled', why: 'too_much' }]],
    ['a payer id without end', { payerId: 'x'.repeat(129) }, [{ field: 'payerId', why: 'too_long' }]],
    ['a line break', { payerAccount: 'a\nb' }, [{ field: 'payerAccount', why: 'unreadable' }]],
    [
      'a sum that does not fit',
      { discounts: [coupon(200n)], payerPaid: cny(900n) },
      [
        { field: 'discounts', why: 'sum_does_not_fit' },
        { field: 'payerPaid', why: 'sum_does_not_fit' },
      ],
    ],
  ] as const) {
    test(`is without ${what}`, () => {
      const sound = soundDetails(told, TOTAL);
      expect(sound.leftOut).toEqual(leftOut);
      for (const { field } of leftOut) expect(sound.details[field]).toBeUndefined();
    });
  }

  test('may be settled in another currency', () => {
    expect(soundDetails({ settled: money('USD', 5_000n) }, TOTAL).details.settled).toEqual(money('USD', 5_000n));
  });
});

const amounts = fc.bigInt({ min: 0n, max: 1_000n }).map(cny);
const words = fc.constantFrom('', 'a', 'b', '券');
const discounts = fc.record({
  kind: fc.constantFrom('coupon', 'reduction', 'points'),
  name: words,
  id: words,
  amount: amounts,
  fundedBy: fc.constantFrom('channel', 'merchant', 'other'),
}) as fc.Arbitrary<Discount>;
const details: fc.Arbitrary<PaymentDetails> = fc.record(
  {
    payerId: fc.constantFrom('p-1', 'p-2'),
    payerAccount: fc.constantFrom('1****1', '2****2'),
    funding: fc.record({
      kind: fc.constantFrom('balance', 'credit'),
      source: fc.constantFrom('X', 'Y'),
    }) as fc.Arbitrary<NonNullable<PaymentDetails['funding']>>,
    discounts: fc.array(discounts, { maxLength: 4 }),
    payerPaid: amounts,
    settled: amounts,
  },
  { requiredKeys: [] },
);
const sources = fc
  .tuple(details, fc.constantFrom(...LEARNED_BY))
  .map(([told, from]) => detailsFrom(soundDetails(told, TOTAL).details, from));
const merged = (...all: readonly KnownDetails[]): KnownDetails =>
  all.reduce((known, next) => mergeDetails(known, next).known, {});

describe('whatever is told', () => {
  test('what counts always adds up, and counts when it is told again', () => {
    fc.assert(
      fc.property(details, (told) => {
        const sound = soundDetails(told, TOTAL).details;
        const off = (sound.discounts ?? []).reduce((sum, { amount }) => sum + amount.minorUnits, 0n);
        if (sound.discounts !== undefined) expect(off + (sound.payerPaid?.minorUnits ?? -1n)).toBe(TOTAL.minorUnits);
        expect(soundDetails(sound, TOTAL)).toEqual({ details: sound, leftOut: [] });
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('what several sources told', () => {
  test('is the same in whichever order, and however often, they told it', () => {
    fc.assert(
      fc.property(sources, sources, sources, (a, b, c) => {
        const once = merged(a, b, c);
        for (const other of [merged(c, b, a), merged(b, a, c), merged(a, merged(b, c)), merged(a, b, c, b, a, a)]) {
          expect(equalDetails(other, once)).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('never loses a field, and has each of the most authoritative source that told it', () => {
    fc.assert(
      fc.property(sources, sources, (a, b) => {
        const known = merged(a, b);
        for (const field of DETAIL_FIELDS) {
          const told = [a[field], b[field]].filter((each) => each !== undefined);
          const ranks = told.map(({ from }) => LEARNED_BY.indexOf(from));
          expect(known[field]?.from).toBe(told.length === 0 ? undefined : LEARNED_BY[Math.max(...ranks)]);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('is the query’s before the notification’s and that before the answer’s, and contradictions are named', () => {
    const answer = detailsFrom({ payerId: 'from-answer', settled: cny(1n) }, 'answer');
    const notification = detailsFrom({ payerId: 'from-notification', payerPaid: cny(2n) }, 'notification');
    const query = detailsFrom({ payerId: 'from-query' }, 'query');
    expect(detailsOf(merged(query, answer, notification))).toEqual({
      payerId: 'from-query',
      payerAccount: undefined,
      funding: undefined,
      discounts: undefined,
      payerPaid: cny(2n),
      settled: cny(1n),
    });
    expect(mergeDetails(answer, notification)).toMatchObject({
      known: { payerId: { value: 'from-notification', from: 'notification' } },
      contradicted: ['payerId'],
    });
    expect(mergeDetails(answer, answer).contradicted).toEqual([]);
  });
});
