import { seededRandom } from '@tillmesh/clock';
import {
  type AccountId,
  ALL_WELL,
  definiteFailure,
  type MerchantId,
  money,
  type RoutedAccount,
  type RouteQuestion,
  type RoutingTable,
} from '@tillmesh/domain';
import { Code } from '@tillmesh/rpc';
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
