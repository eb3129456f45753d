import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AccountHealth, type AccountId, chooseAccount, type RouteHealth } from '../src/index.ts';
import { accountId, anAccount, aQuestion, aTable } from './a-routing-table.ts';

const healthOf = (parts: Readonly<Record<string, Partial<AccountHealth>>>): RouteHealth =>
  new Map(
    Object.entries(parts).map(([id, health]): [AccountId, AccountHealth] => [
      accountId(id),
      { share: 1, successShare: undefined, reason: '', ...health },
    ]),
  );

const SAMPLES = 1_000;

/** How many of a thousand evenly spread chances choose each account. */
const counts = (table: ReturnType<typeof aTable>, health: RouteHealth, question = aQuestion()) => {
  const chosen: Record<string, number> = {};
  for (let n = 0; n < SAMPLES; n += 1) {
    const decision = chooseAccount(table, question, (n + 0.5) / SAMPLES, health);
    if (decision.kind === 'chosen') chosen[decision.account.accountId] = (chosen[decision.account.accountId] ?? 0) + 1;
  }
  return chosen;
};

describe('health and the choice of an account', () => {
  const ranked = aTable(anAccount('a', { rank: 0 }), anAccount('b', { rank: 1 }));

  test('a sick account loses new payments to the next one, and it is said why', () => {
    const health = healthOf({ a: { share: 0, reason: 'lane open' } });
    expect(counts(ranked, health)).toEqual({ b: SAMPLES });
    const decision = chooseAccount(ranked, aQuestion(), 0.5, health);
    expect(decision.candidates).toMatchObject([
      { accountId: 'a', chosen: false, reason: 'passed over, gets 0 % (lane open)' },
      { accountId: 'b', chosen: true },
    ]);
    expect(decision).toMatchObject({
      reason: expect.stringContaining('a passed over, gets 0 % (lane open)') as string,
    });
  });

  test('one that recovers gets its share, and the next one the rest', () => {
    expect(counts(ranked, healthOf({ a: { share: 0.25, reason: 'recovering' } }))).toEqual({ a: 250, b: 750 });
  });

  test('where all are sick the first one is tried all the same: a payment that may fail is better than one that surely does', () => {
    expect(counts(ranked, healthOf({ a: { share: 0 }, b: { share: 0 } }))).toEqual({ a: SAMPLES });
    expect(counts(ranked, healthOf({ a: { share: 0 }, b: { share: 0.05 } }))).toEqual({ b: SAMPLES });
  });

  test('one that an operator has switched off is not tried, however sick the others are', () => {
    const table = aTable(anAccount('a', { enabled: false }), anAccount('b'));
    expect(counts(table, healthOf({ b: { share: 0 } }))).toEqual({ b: SAMPLES });
    expect(counts(aTable(anAccount('a', { enabled: false })), healthOf({}))).toEqual({});
  });

  test('among equals, who fails more gets less', () => {
    const equals = aTable(anAccount('a', { weight: 100 }), anAccount('b', { weight: 100 }));
    expect(counts(equals, healthOf({}))).toEqual({ a: 500, b: 500 });
    const chosen = counts(equals, healthOf({ a: { successShare: 0.5 } }));
    expect(chosen).toEqual({ a: 200, b: 800 });
  });

  test('of equal rank the cheaper one is tried first, and the dearer one takes over when it is sick', () => {
    const table = aTable(anAccount('a', { feeBasisPoints: 60 }), anAccount('b', { feeBasisPoints: 38 }));
    expect(counts(table, healthOf({}))).toEqual({ b: SAMPLES });
    expect(counts(table, healthOf({ b: { share: 0 } }))).toEqual({ a: SAMPLES });
  });

  test('an account under grey release takes its part of the payments, for each number always the same way', () => {
    const table = aTable(anAccount('new', { rank: 0, releasedPercent: 10 }), anAccount('old', { rank: 1 }));
    let released = 0;
    for (let n = 0; n < 2_000; n += 1) {
      const question = aQuestion({ merchantOrderNo: `order-${n}` });
      const [first, again] = [0.1, 0.9].map((fraction) => chooseAccount(table, question, fraction));
      if (first?.kind !== 'chosen' || again?.kind !== 'chosen') throw new Error('no route');
      expect(first.account).toBe(again.account);
      if (first.account.accountId === 'new') released += 1;
    }
    expect(released).toBeGreaterThan(140);
    expect(released).toBeLessThan(260);
  });
});

describe('whatever the table and the health', () => {
  const account = fc.record({
    rank: fc.nat(2),
    feeBasisPoints: fc.constantFrom(0, 38, 60),
    weight: fc.integer({ min: 1, max: 100 }),
    enabled: fc.boolean(),
    releasedPercent: fc.constantFrom(0, 50, 100),
  });
  const health = fc.record({
    share: fc.constantFrom(0, 0.05, 0.25, 1),
    successShare: fc.constantFrom(undefined, 0, 0.5, 1),
    reason: fc.constant(''),
  });
  const world = fc.array(fc.tuple(account, health), { minLength: 1, maxLength: 5 });

  test('the same inputs choose the same account, one that fits; a sick one only where no other one fits', () => {
    fc.assert(
      fc.property(world, fc.double({ min: 0, max: 0.999_999, noNaN: true }), (parts, fraction) => {
        const accounts = parts.map(([own], n) => anAccount(`a-${n}`, own));
        const byId = new Map(parts.map(([, own], n) => [accountId(`a-${n}`), own]));
        const decide = () => chooseAccount(aTable(...accounts), aQuestion(), fraction, byId);
        const decision = decide();
        expect(decide()).toEqual(decision);
        const fitting = decision.candidates.filter(({ reason }) => !reason.startsWith('skipped'));
        if (decision.kind === 'no_route') {
          expect(fitting).toEqual([]);
          return;
        }
        expect(decision.account.enabled).toBe(true);
        const shareOf = (id: AccountId) => byId.get(id)?.share ?? 1;
        if (fitting.some((candidate) => shareOf(candidate.accountId) > 0)) {
          expect(shareOf(decision.account.accountId)).toBeGreaterThan(0);
        }
      }),
    );
  });
});
