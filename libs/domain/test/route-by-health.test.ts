import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AccountHealth,
  ALL_WELL,
  type Candidate,
  chooseAccount,
  type DayUse,
  type MerchantId,
  type MerchantRule,
  NOTHING_KNOWN,
  type RouteDecision,
  type RoutedAccount,
  type RouteHealth,
  type RoutingTable,
} from '../src/index.ts';
import { accountId, anAccount, aQuestion, aTable, currency, MERCHANT } from './a-routing-table.ts';

const health = (of: Readonly<Record<string, Partial<AccountHealth>>>): RouteHealth => ({
  version: 1,
  accounts: new Map(Object.entries(of).map(([id, parts]) => [accountId(id), { ...NOTHING_KNOWN, ...parts }])),
});
const SICK: Partial<AccountHealth> = { share: 0, cause: 'answers nothing' };

const chancesOf = (decision: RouteDecision): Record<string, number> =>
  Object.fromEntries(decision.candidates.map(({ accountId: id, chance }) => [id, Number(chance.toFixed(6))]));
const chosenOf = (decision: RouteDecision): string =>
  decision.kind === 'chosen' ? decision.account.accountId : 'none';
const reasonFor = (decision: RouteDecision, id: string): string | undefined =>
  decision.candidates.find((candidate: Candidate) => candidate.accountId === id)?.reason;

const withRules = (table: RoutingTable, ...rules: readonly Partial<MerchantRule>[]): RoutingTable => {
  const whole = rules.map((rule) => ({
    wallets: [],
    kinds: [],
    amountMin: undefined,
    amountMax: undefined,
    prefer: [],
    exclude: [],
    ...rule,
  }));
  const merchants = [...table.merchants].map(([id, merchant]) => [id, { ...merchant, rules: whole }] as const);
  return { ...table, merchants: new Map(merchants) };
};

describe('a sick account', () => {
  const equals = aTable(anAccount('a'), anAccount('b'));

  test('gets nothing while an equal is well, and the answer says why', () => {
    const decision = chooseAccount(equals, health({ a: SICK }), aQuestion(), 0);
    expect(chancesOf(decision)).toEqual({ a: 0, b: 1 });
    expect(reasonFor(decision, 'a')).toBe('skipped: sick (answers nothing)');
    expect(decision.kind === 'chosen' ? decision.reason : '').toContain('a skipped: sick (answers nothing)');
  });

  test('gets nothing while one of a later rank, of a higher fee or last in a merchant’s preference is well', () => {
    for (const table of [
      aTable(anAccount('a', { rank: 0 }), anAccount('b', { rank: 5 })),
      aTable(anAccount('a', { feeBasisPoints: 38 }), anAccount('b', { feeBasisPoints: 60 })),
      withRules(equals, { prefer: [accountId('a'), accountId('b')] }),
    ]) {
      expect(chancesOf(chooseAccount(table, health({ a: SICK }), aQuestion(), 0))).toEqual({ a: 0, b: 1 });
    }
  });

  test('is tried all the same where all are sick, the best first', () => {
    const table = aTable(anAccount('a', { rank: 0 }), anAccount('b', { rank: 5 }));
    const decision = chooseAccount(table, health({ a: SICK, b: SICK }), aQuestion(), 0.99);
    expect(chosenOf(decision)).toBe('a');
    expect(decision.kind === 'chosen' ? decision.reason : '').toMatch(/^all are sick, the best is tried: /);
  });

  test('is tried after one whose lane is not known to refuse', () => {
    const table = aTable(anAccount('a', { rank: 0 }), anAccount('b', { rank: 5 }));
    const now = health({ a: { ...SICK, refuses: true }, b: SICK });
    expect(chosenOf(chooseAccount(table, now, aQuestion(), 0))).toBe('b');
  });

  test('does not bring back one that an operator has switched off', () => {
    const table = aTable(anAccount('a', { enabled: false }), anAccount('b'));
    expect(chosenOf(chooseAccount(table, health({ b: SICK }), aQuestion(), 0))).toBe('b');
    const off = aTable(anAccount('a', { enabled: false }));
    expect(chooseAccount(off, ALL_WELL, aQuestion(), 0).kind).toBe('no_route');
  });
});

describe('an account that gets its payments back', () => {
  for (const share of [0.05, 0.25, 0.5]) {
    test(`has ${share * 100} % of what it would have, and an equal has the rest`, () => {
      const table = aTable(anAccount('a', { weight: 300 }), anAccount('b', { weight: 100 }));
      const { a, b } = chancesOf(chooseAccount(table, health({ a: { share } }), aQuestion(), 0));
      expect(a).toBeCloseTo((300 * share) / (300 * share + 100), 5);
      expect((a ?? 0) + (b ?? 0)).toBeCloseTo(1, 5);
    });

    test(`has ${share * 100} % of all where the next rank has the rest`, () => {
      const table = aTable(anAccount('a', { rank: 0 }), anAccount('b', { rank: 1 }));
      expect(chancesOf(chooseAccount(table, health({ a: { share } }), aQuestion(), 0))).toEqual({
        a: share,
        b: 1 - share,
      });
    });

    test(`has everything where nobody else is left, at ${share * 100} %, too`, () => {
      const table = aTable(anAccount('a', { rank: 0 }), anAccount('b', { rank: 1 }));
      expect(chancesOf(chooseAccount(table, health({ a: { share }, b: SICK }), aQuestion(), 0))).toEqual({
        a: 1,
        b: 0,
      });
    });
  }
});

describe('among equals by rank', () => {
  test('the cheaper has everything while it is well, and weights count among those of equal fee', () => {
    const table = aTable(
      anAccount('a', { feeBasisPoints: 60, weight: 900 }),
      anAccount('b', { feeBasisPoints: 38, weight: 1 }),
      anAccount('c', { feeBasisPoints: 38, weight: 3 }),
    );
    expect(chancesOf(chooseAccount(table, ALL_WELL, aQuestion(), 0))).toEqual({ a: 0, b: 0.25, c: 0.75 });
  });

  test('the cheaper gives away as much as its health lacks', () => {
    const table = aTable(anAccount('a', { feeBasisPoints: 60 }), anAccount('b', { feeBasisPoints: 38 }));
    expect(chancesOf(chooseAccount(table, health({ b: { share: 0.7 } }), aQuestion(), 0))).toEqual({ a: 0.3, b: 0.7 });
  });

  test('rank stands above fee', () => {
    const table = aTable(anAccount('a', { rank: 0, feeBasisPoints: 60 }), anAccount('b', { rank: 1 }));
    expect(chosenOf(chooseAccount(table, ALL_WELL, aQuestion(), 0.9))).toBe('a');
  });
});

describe('a limit of the day', () => {
  const limited = anAccount('a', { dayLimit: { timeZone: 'Asia/Shanghai', amountMax: 5_000n, countMax: 3 } });
  const table = aTable(limited, anAccount('b', { rank: 1 }));
  const used = (minorUnits: bigint, count: number): RouteHealth => {
    const use: DayUse = { day: '2026-11-27', minorUnits, count };
    return health({ a: { use } });
  };
  for (const [what, now, chosen] of [
    ['that is not reached lets the payment through', used(4_000n, 2), 'a'],
    ['of the amount that the payment would pass sends it elsewhere', used(4_001n, 2), 'b'],
    ['of the number of payments that is reached sends it elsewhere', used(0n, 3), 'b'],
    ['of which nobody counts is none', ALL_WELL, 'a'],
  ] as const) {
    test(what, () => {
      expect(chosenOf(chooseAccount(table, now, aQuestion(), 0))).toBe(chosen);
    });
  }

  test('is held also where no other account is left', () => {
    const decision = chooseAccount(aTable(limited), used(4_001n, 2), aQuestion(), 0);
    expect(decision.kind).toBe('no_route');
    expect(reasonFor(decision, 'a')).toBe("skipped: has taken 4001 of the day's 5000 minor units");
  });
});

describe('a merchant’s rule', () => {
  const table = aTable(anAccount('a'), anAccount('b', { rank: 1 }), anAccount('c', { rank: 2 }));
  const [b, c] = [accountId('b'), accountId('c')];

  test('brings what it prefers in front, in its order', () => {
    const preferring = withRules(table, { prefer: [c, b] });
    expect(chosenOf(chooseAccount(preferring, ALL_WELL, aQuestion(), 0.5))).toBe('c');
    expect(chosenOf(chooseAccount(preferring, health({ c: SICK }), aQuestion(), 0.5))).toBe('b');
    expect(chosenOf(chooseAccount(preferring, health({ c: SICK, b: SICK }), aQuestion(), 0.5))).toBe('a');
  });

  test('keeps away what it excludes, even where nobody else is left', () => {
    const decision = chooseAccount(
      withRules(aTable(anAccount('a')), { exclude: [accountId('a')] }),
      ALL_WELL,
      aQuestion(),
      0,
    );
    expect(decision.kind).toBe('no_route');
    expect(reasonFor(decision, 'a')).toBe("skipped: excluded by the merchant's rules");
  });

  for (const [what, rule, fits] of [
    ['of its wallet', { wallets: ['wechat'] }, true],
    ['of another wallet', { wallets: ['alipay'] }, false],
    ['of its kind', { kinds: ['payment_code'] }, true],
    ['of another kind', { kinds: ['jsapi'] }, false],
    ['of its least amount', { amountMin: 1_000n }, true],
    ['below its least amount', { amountMin: 1_001n }, false],
    ['of its largest amount', { amountMax: 1_000n }, true],
    ['above its largest amount', { amountMax: 999n }, false],
  ] as const) {
    test(`speaks ${fits ? '' : 'not '}of a payment ${what}`, () => {
      const preferring = withRules(table, { ...rule, prefer: [c] });
      expect(chosenOf(chooseAccount(preferring, ALL_WELL, aQuestion(), 0))).toBe(fits ? 'c' : 'a');
    });
  }

  test('of several that prefer, the first that fits counts; exclusions of all', () => {
    const rules = withRules(table, { kinds: ['jsapi'], prefer: [c] }, { prefer: [b] }, { exclude: [accountId('a')] });
    expect(chosenOf(chooseAccount(rules, ALL_WELL, aQuestion(), 0))).toBe('b');
    expect(chosenOf(chooseAccount(rules, health({ b: SICK }), aQuestion(), 0))).toBe('c');
  });
});

describe('an account in grey release', () => {
  const releasedTo = (percent: number, merchantIds: readonly MerchantId[] = []): RoutingTable =>
    aTable(anAccount('a'), anAccount('new', { rank: 9, grey: { percent, merchantIds } }));
  const numbers = Array.from({ length: 4_000 }, (_, index) => `order-${index}`);
  const takenBy = (table: RoutingTable, now = ALL_WELL): readonly string[] =>
    numbers.filter(
      (merchantOrderNo) => chosenOf(chooseAccount(table, now, aQuestion({ merchantOrderNo }), 0.5)) === 'new',
    );

  for (const percent of [0, 1, 10, 50, 100]) {
    test(`to ${percent} % of payments gets that share, whatever its rank`, () => {
      const share = takenBy(releasedTo(percent)).length / numbers.length;
      // Four standard deviations of so many payments.
      expect(Math.abs(share - percent / 100)).toBeLessThan(4 * Math.sqrt(0.25 / numbers.length));
      if (percent === 0 || percent === 100) expect(share).toBe(percent / 100);
    });
  }

  test('decides the same for the same number, whatever chance says', () => {
    const merchantOrderNo = takenBy(releasedTo(10))[0] ?? '';
    for (const fraction of [0, 0.3, 0.999]) {
      expect(chosenOf(chooseAccount(releasedTo(10), ALL_WELL, aQuestion({ merchantOrderNo }), fraction))).toBe('new');
    }
  });

  test('that is widened keeps the payments that it had', () => {
    const more = new Set(takenBy(releasedTo(25)));
    expect(takenBy(releasedTo(10)).every((number) => more.has(number))).toBe(true);
  });

  test('to a merchant gets all payments of that merchant, and none of others', () => {
    expect(takenBy(releasedTo(0, [MERCHANT]))).toHaveLength(numbers.length);
    expect(takenBy(releasedTo(0, ['m-2' as MerchantId]))).toHaveLength(0);
  });

  test('loses its payments to others when it is sick', () => {
    expect(takenBy(releasedTo(100), health({ new: SICK }))).toHaveLength(0);
  });

  test('never takes what it is not released to, even where all others are sick', () => {
    expect(takenBy(releasedTo(0), health({ a: SICK }))).toHaveLength(0);
  });

  test('is left out where there is no number yet, and the answer says so', () => {
    const decision = chooseAccount(releasedTo(99), ALL_WELL, aQuestion({ merchantOrderNo: '' }), 0);
    expect(reasonFor(decision, 'new')).toBe('skipped: grey: released to 99 % of payments, not to this one');
  });
});

const shareOf = fc.oneof(fc.constantFrom(0, 0.05, 0.25, 0.5, 1), fc.double({ min: 0, max: 1, noNaN: true }));
const partsOf = fc.record({
  account: fc.record({
    rank: fc.integer({ min: 0, max: 2 }),
    feeBasisPoints: fc.constantFrom(0, 38, 60),
    weight: fc.integer({ min: 1, max: 1_000 }),
    enabled: fc.boolean(),
    amountMax: fc.constantFrom(999n, 1_000n, 100_000n),
    currencies: fc.constantFrom([currency('CNY')], [currency('USD')]),
    grey: fc.option(fc.record({ percent: fc.constantFrom(0, 30, 100), merchantIds: fc.constant([]) }), {
      nil: undefined,
    }),
  }),
  health: fc.record({ share: shareOf, cause: fc.constantFrom('', 'fails'), refuses: fc.boolean() }),
});
const worldOf = fc
  .record({
    parts: fc.array(partsOf, { minLength: 1, maxLength: 6 }),
    excluded: fc.subarray(['a0', 'a1', 'a2'].map(accountId)),
    preferred: fc.subarray(['a0', 'a1', 'a2', 'a3'].map(accountId)),
    forbidden: fc.subarray(['a4', 'a5'].map(accountId)),
    merchantOrderNo: fc.constantFrom('order-1', 'order-2', 'order-3', ''),
  })
  .map(({ parts, excluded, preferred, forbidden, merchantOrderNo }) => {
    const accounts = parts.map(({ account }, index) => anAccount(`a${index}`, account));
    return {
      accounts,
      table: withRules(aTable(...accounts), { prefer: preferred, exclude: forbidden }),
      now: health(Object.fromEntries(parts.map((part, index) => [`a${index}`, part.health]))),
      question: aQuestion({ excluded, merchantOrderNo }),
      forbidden,
    };
  });
const fractionOf = fc.oneof(
  fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  fc.constantFrom(0, 1 - 2 ** -53),
);

test('the least share that is not 0 is one', () => {
  const table = aTable(anAccount('a', {}), anAccount('b', {}));
  const now = health({ a: SICK, b: { share: Number.MIN_VALUE, cause: '', refuses: false, use: undefined } });
  expect(chosenOf(chooseAccount(table, now, aQuestion({}), 0))).toBe('b');
});

describe('whatever table, health and question', () => {
  test('the same decide the same, in whichever order the table lists its accounts', () => {
    fc.assert(
      fc.property(worldOf, fractionOf, ({ table, now, question }, fraction) => {
        const decision = chooseAccount(table, now, question, fraction);
        expect(chooseAccount(table, now, question, fraction)).toEqual(decision);
        const merchants = [...table.merchants].map(
          ([id, merchant]) => [id, { ...merchant, accountIds: merchant.accountIds.toReversed() }] as const,
        );
        expect(chooseAccount({ ...table, merchants: new Map(merchants) }, now, question, fraction)).toEqual(decision);
      }),
      { numRuns: 300 },
    );
  });

  test('who is chosen fits, and is sick only where all that fit are', () => {
    fc.assert(
      fc.property(worldOf, fractionOf, ({ accounts, table, now, question, forbidden }, fraction) => {
        const fits = ({ accountId: id, enabled, amountMax, currencies, grey }: RoutedAccount) =>
          enabled &&
          amountMax >= question.amount.minorUnits &&
          currencies.includes(currency('CNY')) &&
          !question.excluded.includes(id) &&
          !forbidden.includes(id) &&
          (grey === undefined || (grey.percent > 0 && question.merchantOrderNo !== ''));
        const shareNow = ({ accountId: id }: RoutedAccount) => now.accounts.get(id)?.share ?? 1;
        const decision = chooseAccount(table, now, question, fraction);
        if (decision.kind === 'no_route') {
          expect(accounts.filter((account) => fits(account) && account.grey === undefined)).toEqual([]);
          return;
        }
        expect(fits(decision.account)).toBe(true);
        if (shareNow(decision.account) > 0) return;
        expect(
          accounts.filter((account) => fits(account) && account.grey === undefined && shareNow(account) > 0),
        ).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  test('chances are all there is, and chance follows them', () => {
    fc.assert(
      fc.property(worldOf, ({ table, now, question }) => {
        const decision = chooseAccount(table, now, question, 0);
        if (decision.kind === 'no_route') return;
        const chances = new Map<string, number>(decision.candidates.map(({ accountId: id, chance }) => [id, chance]));
        expect([...chances.values()].reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 9);
        const steps = 500;
        const counts = new Map<string, number>();
        for (let step = 0; step < steps; step += 1) {
          const id = chosenOf(chooseAccount(table, now, question, step / steps));
          counts.set(id, (counts.get(id) ?? 0) + 1);
        }
        // Even steps: each share is met to within one step at either end.
        for (const [id, chance] of chances) {
          expect(Math.abs((counts.get(id) ?? 0) - chance * steps), id).toBeLessThanOrEqual(1.000_001);
        }
      }),
      { numRuns: 60 },
    );
  });
});

test('an account that is not in the health is well', () => {
  expect(chancesOf(chooseAccount(aTable(anAccount('a'), anAccount('b')), health({ b: {} }), aQuestion(), 0))).toEqual({
    a: 0.5,
    b: 0.5,
  });
});
