import { seededRandom } from '@tillmesh/clock';
import {
  type AccountId,
  ALL_WELL,
  chooseAccount,
  definiteFailure,
  type MerchantId,
  money,
  NOTHING_KNOWN,
  type RoutedAccount,
  type RouteHealth,
  type RouteQuestion,
  type RoutingTable,
} from '@tillmesh/domain';
import { Code } from '@tillmesh/rpc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRoutes } from '../src/choose-route.ts';
import { MERCHANT, TABLE } from './cashier-under-test.ts';

const routesOf = (table: RoutingTable | undefined) =>
  createRoutes({ table: () => table }, { of: () => ALL_WELL }, seededRandom(3));

const question = (changes: Partial<RouteQuestion> = {}): RouteQuestion => ({
  merchantId: MERCHANT as MerchantId,
  merchantOrderNo: 'order-1',
  amount: money('CNY', 100n),
  wallet: 'wechat',
  kind: 'merchant_qr',
  excluded: [],
  ...changes,
});

const withAccounts = (change: (account: RoutedAccount) => Partial<RoutedAccount>): RoutingTable => ({
  ...TABLE,
  accounts: new Map([...TABLE.accounts].map(([id, account]) => [id, { ...account, ...change(account) }])),
});

describe('the first account is refused', () => {
  const REFUSALS = [
    [
      'for a merchant that is not in the table',
      TABLE,
      { merchantId: 'nobody' as MerchantId },
      { code: Code.NOT_FOUND, reason: 'MERCHANT_UNKNOWN', metadata: { merchant_id: 'nobody' } },
    ],
    [
      'for an amount above the highest limit, naming that limit',
      withAccounts(({ accountId }) => ({ amountMax: accountId === 'wechat-b' ? 70n : 50n })),
      {},
      { code: Code.INVALID_ARGUMENT, reason: 'AMOUNT_ABOVE_LIMIT', metadata: { limit_minor_units: '70' } },
    ],
    [
      'for a currency that no account takes, naming those that are taken',
      TABLE,
      { amount: money('USD', 1n) },
      { code: Code.INVALID_ARGUMENT, reason: 'CURRENCY_NOT_SUPPORTED', metadata: { currencies: 'CNY' } },
    ],
    [
      'while all accounts are switched off, naming each with its note',
      withAccounts(() => ({ enabled: false, stateNote: 'maintenance' })),
      {},
      {
        code: Code.FAILED_PRECONDITION,
        reason: 'NO_ROUTE',
        metadata: { considered: expect.stringContaining('wechat-a: skipped: switched off: maintenance') },
      },
    ],
    [
      'for a wallet that no account of the merchant takes',
      TABLE,
      { wallet: 'unionpay' },
      { code: Code.FAILED_PRECONDITION, reason: 'NO_ROUTE' },
    ],
    [
      'while no table was heard, and a repeat is worth while',
      undefined,
      {},
      { code: Code.UNAVAILABLE, reason: 'NOT_READY', retryAfterMs: 500 },
    ],
  ] as const;
  for (const [what, table, changes, refusal] of REFUSALS) {
    test(what, () => {
      expect(() => routesOf(table).first(question(changes))).toThrow(expect.objectContaining(refusal));
    });
  }
});

describe('the next account', () => {
  const refusedThere = definiteFailure(
    { transport: 'answered', signature: 'verified', ruleId: 'r' },
    'account_refused',
  );
  const excluded = ['wechat-a' as AccountId];

  test('is another one, and the reason says after which', () => {
    const next = routesOf(TABLE).next(refusedThere.token, question({ excluded }));
    expect(next?.account.accountId).toBe('wechat-b');
    expect(next?.reason).toMatch(/^rerouted after wechat-a: /);
  });

  test('is none where all were tried', () => {
    const all = [...excluded, 'wechat-b' as AccountId];
    expect(routesOf(TABLE).next(refusedThere.token, question({ excluded: all }))).toBeUndefined();
  });

  test('is none for a payment code that a channel has seen', () => {
    expect(routesOf(TABLE).next(refusedThere.token, question({ kind: 'payment_code', excluded }))).toBeUndefined();
  });
});

test('a reason is never longer than the database takes', () => {
  const table = withAccounts(({ accountId }) =>
    accountId === 'wechat-a' ? {} : { enabled: false, stateNote: 'x'.repeat(255) },
  );
  expect(routesOf(table).first(question()).reason.length).toBeLessThanOrEqual(255);
});

test('a reason tells all that the choice depended on: with the table it is made again, the same', () => {
  const equals = withAccounts(() => ({ rank: 0 }));
  const shareOf = fc.constantFrom(0, 0.05, 0.25, 0.489, 1);
  const taken = new Set<string>();
  fc.assert(
    fc.property(shareOf, shareOf, fc.nat(), (a, b, seed) => {
      const health = (shares: Readonly<Record<string, number>>): RouteHealth => ({
        version: 3,
        accounts: new Map(
          Object.entries(shares).map(([id, share]) => [id as AccountId, { ...NOTHING_KNOWN, share, cause: 'fails' }]),
        ),
      });
      const now = health({ 'wechat-a': a, 'wechat-b': b });
      const route = createRoutes({ table: () => equals }, { of: () => now }, seededRandom(seed)).first(question());
      const { account, reason } = route;
      expect(reason).toMatch(/^table 7, health 3, chance \d+; /);
      // What a person would read from it: the one that was chosen stands first, others by their names.
      const [, chance = ''] = /chance (\d+);/.exec(reason) ?? [];
      const told = reason.split('; ').slice(1);
      const shareTold = (id: string): number => {
        const own = told.filter((part) =>
          id === account.accountId ? /^(?:at|sick)/.test(part) : part.startsWith(`${id} `),
        );
        const [, percent] = own.map((part) => /at ([\d.]+) % of its/.exec(part)).find((found) => found !== null) ?? [];
        if (percent !== undefined) return Number(percent) / 100;
        return own.some((part) => part.includes('sick')) ? 0 : 1;
      };
      const again = health({ 'wechat-a': shareTold('wechat-a'), 'wechat-b': shareTold('wechat-b') });
      expect(chooseAccount(equals, again, question(), Number(chance) / 1_000_000)).toMatchObject({ account });
      taken.add(account.accountId);
    }),
    { numRuns: 200 },
  );
  expect([...taken].toSorted()).toEqual(['wechat-a', 'wechat-b']);
});
