import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ALL_WELL,
  chooseAccount,
  type MerchantId,
  money,
  type NoRoute,
  type RouteDecision,
  type RoutedAccount,
  type RouteQuestion,
} from '../src/index.ts';
import { accountId, anAccount, aQuestion, aTable, currency, MERCHANT } from './a-routing-table.ts';

const chosenId = (decision: RouteDecision): string =>
  decision.kind === 'chosen' ? decision.account.accountId : 'none';
const whyOf = (decision: RouteDecision): NoRoute | undefined =>
  decision.kind === 'no_route' ? decision.why : undefined;
const reasonFor = (decision: RouteDecision, id: string): string | undefined =>
  decision.candidates.find((candidate) => candidate.accountId === id)?.reason;

/** Why the only account of a merchant is not taken. */
const UNFIT: readonly (readonly [
  why: string,
  account: Partial<RoutedAccount>,
  question: Partial<RouteQuestion>,
  reason: string,
  noRoute: NoRoute,
])[] = [
  ['it belongs to another wallet', { wallets: ['alipay'] }, {}, 'skipped: does not take wechat', { kind: 'none_left' }],
  [
    'it does not offer the kind',
    { kinds: ['jsapi'] },
    {},
    'skipped: does not offer payment_code',
    { kind: 'none_left' },
  ],
  [
    'it does not take the currency',
    {},
    { amount: money('USD', 1) },
    'skipped: does not take USD',
    { kind: 'currency_not_supported', currencies: [currency('CNY')] },
  ],
  [
    'the amount is one minor unit over its limit',
    { amountMax: 999n },
    {},
    'skipped: takes at most 999 minor units',
    { kind: 'amount_above_limit', limit: 999n },
  ],
  [
    'it failed for this payment before',
    {},
    { excluded: [accountId('a')] },
    'skipped: failed for this payment before',
    { kind: 'none_left' },
  ],
  [
    'it is switched off',
    { enabled: false, stateNote: 'audit' },
    {},
    'skipped: switched off: audit',
    { kind: 'none_left' },
  ],
  [
    'it is switched off without a note',
    { enabled: false },
    {},
    'skipped: switched off: no note',
    { kind: 'none_left' },
  ],
];

describe('an account is not chosen', () => {
  for (const [why, account, question, reason, noRoute] of UNFIT) {
    test(`when ${why}, and the answer says so`, () => {
      const decision = chooseAccount(aTable(anAccount('a', account)), ALL_WELL, aQuestion(question), 0);
      expect(whyOf(decision)).toEqual(noRoute);
      expect(decision.candidates).toEqual([{ accountId: 'a', chosen: false, chance: 0, reason }]);
    });

    test(`when ${why}, but another that fits is, whichever stands first`, () => {
      const unfit = anAccount('a', account);
      const fit = anAccount('b', { currencies: [currency('CNY'), currency('USD')], rank: 9 });
      for (const accounts of [
        [unfit, fit],
        [fit, unfit],
      ]) {
        const decision = chooseAccount(aTable(...accounts), ALL_WELL, aQuestion(question), 0);
        expect(chosenId(decision)).toBe('b');
        expect(reasonFor(decision, 'a')).toBe(reason);
        expect(decision.kind === 'chosen' ? decision.reason : '').toContain(`a ${reason}`);
      }
    });
  }

  test('when it takes exactly the amount, it is', () => {
    expect(chosenId(chooseAccount(aTable(anAccount('a', { amountMax: 1_000n })), ALL_WELL, aQuestion(), 0))).toBe('a');
  });

  test('when it belongs to another merchant', () => {
    const table = aTable(anAccount('a'));
    expect(chooseAccount({ ...table, merchants: new Map() }, ALL_WELL, aQuestion(), 0)).toEqual({
      kind: 'no_route',
      why: { kind: 'merchant_unknown' },
      candidates: [],
    });
    const other = {
      ...table,
      merchants: new Map([[MERCHANT, { displayName: '', accountIds: [accountId('gone')], rules: [], webhooks: [] }]]),
    };
    expect(whyOf(chooseAccount(other, ALL_WELL, aQuestion(), 0))).toEqual({ kind: 'none_left' });
    expect(whyOf(chooseAccount(table, ALL_WELL, aQuestion({ merchantId: 'm-2' as MerchantId }), 0))).toEqual({
      kind: 'merchant_unknown',
    });
  });
});

describe('why there is no route', () => {
  const small = anAccount('small', { amountMax: 10n });
  const large = anAccount('large', { amountMax: 20n });
  for (const [what, accounts, question, noRoute] of [
    [
      'the largest limit, where all limits are too small',
      [small, large],
      {},
      { kind: 'amount_above_limit', limit: 20n },
    ],
    [
      'the limit, where another account takes another currency',
      [small, anAccount('usd', { currencies: [currency('USD')] })],
      {},
      { kind: 'amount_above_limit', limit: 10n },
    ],
    [
      'the limit of those that offer the kind',
      [small, anAccount('qr', { kinds: ['merchant_qr'] })],
      {},
      { kind: 'amount_above_limit', limit: 10n },
    ],
    [
      'every currency once, where none is the right one',
      [
        anAccount('a', { currencies: [currency('USD')] }),
        anAccount('b', { currencies: [currency('USD'), currency('EUR')] }),
      ],
      {},
      { kind: 'currency_not_supported', currencies: ['USD', 'EUR'] },
    ],
    [
      'none left, where one that would fit is off',
      [small, anAccount('off', { enabled: false })],
      {},
      { kind: 'none_left' },
    ],
    ['none left, where the merchant has no account', [], {}, { kind: 'none_left' }],
  ] as const) {
    test(`is ${what}`, () => {
      expect(whyOf(chooseAccount(aTable(...accounts), ALL_WELL, aQuestion(question), 0.5))).toEqual(noRoute);
    });
  }
});

describe('among accounts that fit', () => {
  test('the lowest rank is chosen, whatever the weights', () => {
    const table = aTable(
      anAccount('a', { rank: 2, weight: 1_000 }),
      anAccount('b', { rank: 1 }),
      anAccount('c', { rank: 3 }),
    );
    const decision = chooseAccount(table, ALL_WELL, aQuestion(), 0.999);
    expect(chosenId(decision)).toBe('b');
    expect(reasonFor(decision, 'a')).toBe('fits, others come first: rank 2');
  });

  test('those of equal rank are chosen by their weights, exactly', () => {
    const weights = { a: 1, b: 3, c: 6 };
    const table = aTable(...Object.entries(weights).map(([id, weight]) => anAccount(id, { weight })));
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let step = 0; step < 1_000; step += 1) {
      const id = chosenId(chooseAccount(table, ALL_WELL, aQuestion(), step / 1_000));
      counts[id] = (counts[id] ?? 0) + 1;
    }
    expect(counts).toEqual({ a: 100, b: 300, c: 600 });
  });

  test('a share that is skipped goes to the others', () => {
    const table = aTable(anAccount('a'), anAccount('b', { enabled: false, weight: 98 }), anAccount('c'));
    expect(
      [0, 0.49, 0.5, 0.99].map((fraction) => chosenId(chooseAccount(table, ALL_WELL, aQuestion(), fraction))),
    ).toEqual(['a', 'a', 'c', 'c']);
  });

  test('exactly one is marked as chosen, and every account of the merchant has a reason', () => {
    const accountOf = fc.record({
      rank: fc.integer({ min: 0, max: 2 }),
      weight: fc.integer({ min: 1, max: 1_000 }),
      enabled: fc.boolean(),
    });
    // The largest fraction below 1 that a chance of 48 bits gives, and of 53.
    const fractionOf = fc.oneof(
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.constantFrom(0, 1 - 2 ** -48, 1 - 2 ** -53),
    );
    fc.assert(
      fc.property(fc.array(accountOf, { minLength: 1, maxLength: 6 }), fractionOf, (parts, fraction) => {
        const accounts = parts.map((part, index) => anAccount(`a${index}`, part));
        const decision = chooseAccount(aTable(...accounts), ALL_WELL, aQuestion(), fraction);
        const fitting = accounts.filter(({ enabled }) => enabled);
        expect(decision.kind).toBe(fitting.length > 0 ? 'chosen' : 'no_route');
        expect(decision.candidates.map((candidate) => candidate.accountId).toSorted()).toEqual(
          accounts.map((account) => account.accountId),
        );
        expect(decision.candidates.filter(({ chosen }) => chosen).length).toBe(fitting.length > 0 ? 1 : 0);
        expect(decision.candidates.every(({ reason }) => reason !== '')).toBe(true);
        if (decision.kind === 'chosen') {
          expect(decision.account.enabled).toBe(true);
          expect(decision.account.rank).toBe(Math.min(...fitting.map(({ rank }) => rank)));
        }
        // The order in which the table lists its accounts is chance; the choice must not depend on it.
        expect(chooseAccount(aTable(...accounts.toReversed()), ALL_WELL, aQuestion(), fraction)).toEqual(decision);
      }),
      { numRuns: 500 },
    );
  });
});
