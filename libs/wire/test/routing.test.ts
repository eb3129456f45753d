import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type AccountId,
  type ChannelId,
  DEFAULT_HEALTH_POLICY,
  type MerchantId,
  type MerchantWebhook,
  money,
  PAYMENT_KINDS,
  type RoutingTable,
  WALLETS,
} from '@tillmesh/domain';
import type { PaymentKind, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { AccountState, RoutingTableSchema } from '@tillmesh/proto/tillmesh/routing/v1/routing_table_pb.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { routingTableFromWire, routingTableToWire } from '../src/index.ts';

const LATER = 99;

const WEBHOOKS: readonly MerchantWebhook[] = [
  {
    endpointId: 'shop',
    url: 'https://shop.example/hooks',
    signing: 'ed25519',
    keyIds: ['k-1', 'k-2'],
    kinds: ['payment_succeeded', 'refund_failed'],
  },
  { endpointId: 'books', url: 'https://books.example/', signing: 'hmac-sha256', keyIds: ['k-3'], kinds: [] },
];

const read = (table: MessageInitShape<typeof RoutingTableSchema>): RoutingTable =>
  routingTableFromWire(fromBinary(RoutingTableSchema, toBinary(RoutingTableSchema, create(RoutingTableSchema, table))));

const accountOf = fc.record({
  accountId: fc.constantFrom('wechat-a', 'wechat-b', 'alipay-a').map((id) => id as AccountId),
  channelId: fc.constantFrom('wechat', 'alipay').map((id) => id as ChannelId),
  wallets: fc.subarray([...WALLETS]),
  kinds: fc.subarray([...PAYMENT_KINDS]),
  currencies: fc.subarray(['CNY', 'USD', 'JPY'].map((code) => money(code, 0).currency)),
  amountMax: fc.bigInt({ min: 0n, max: 10n ** 11n }),
  rank: fc.nat(100),
  feeBasisPoints: fc.nat(10_000),
  weight: fc.integer({ min: 1, max: 1_000 }),
  dayLimit: fc.option(
    fc.record({
      timeZone: fc.constantFrom('Asia/Shanghai', 'UTC'),
      amountMax: fc.option(fc.bigInt({ min: 1n, max: 10n ** 11n }), { nil: undefined }),
      countMax: fc.option(fc.nat(10 ** 9), { nil: undefined }),
    }),
    { nil: undefined },
  ),
  grey: fc.option(
    fc.record({
      percent: fc.double({ min: 0, max: 100, noNaN: true }),
      merchantIds: fc.constant(['m-1' as MerchantId]),
    }),
    { nil: undefined },
  ),
  enabled: fc.boolean(),
  stateNote: fc.string({ maxLength: 20 }),
});

const idsOf = fc.subarray(['wechat-a', 'wechat-b'].map((id) => id as AccountId));
const boundOf = fc.option(fc.bigInt({ min: 0n, max: 10n ** 11n }), { nil: undefined });
const ruleOf = fc.record({
  wallets: fc.subarray([...WALLETS]),
  kinds: fc.subarray([...PAYMENT_KINDS]),
  amountMin: boundOf,
  amountMax: boundOf,
  prefer: idsOf,
  exclude: idsOf,
});

describe('a routing table', () => {
  test('is the same on both sides of the wire', () => {
    const tableOf = fc
      .record({
        version: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        accounts: fc.array(accountOf, { maxLength: 5 }),
        rules: fc.array(ruleOf, { maxLength: 3 }),
      })
      .map(
        ({ version, accounts, rules }): RoutingTable => ({
          version,
          merchants: new Map([
            [
              'm-1' as MerchantId,
              { displayName: 'One', accountIds: accounts.map(({ accountId }) => accountId), rules, webhooks: WEBHOOKS },
            ],
          ]),
          accounts: new Map(accounts.map((account) => [account.accountId, account])),
          healthPolicy: { ...DEFAULT_HEALTH_POLICY, outcomesMin: accounts.length },
        }),
      );
    fc.assert(
      fc.property(tableOf, (table) => {
        expect(read(routingTableToWire(table))).toEqual(table);
      }),
    );
  });

  test('lets a rule that speaks only of what this version does not know speak of nothing, not of everything', () => {
    const table = read({
      merchants: [
        {
          merchantId: 'm',
          rules: [
            { wallets: [LATER as Wallet], excludeAccountIds: ['a'] },
            { kinds: [LATER as PaymentKind], excludeAccountIds: ['a'] },
            { wallets: [LATER as Wallet, 1], excludeAccountIds: ['b'] },
          ],
        },
      ],
    });
    expect(table.merchants.get('m' as MerchantId)?.rules).toMatchObject([{ wallets: ['wechat'], exclude: ['b'] }]);
  });

  test('without a policy of health has the usual one', () => {
    expect(read({}).healthPolicy).toEqual(DEFAULT_HEALTH_POLICY);
  });

  test('offers less, never something else, where this version lacks a word', () => {
    const table = read({
      accounts: [{ accountId: 'a', wallets: [1, 0, LATER as Wallet], kinds: [LATER as PaymentKind, 2, 0] }],
    });
    expect(table.accounts.get('a' as AccountId)).toMatchObject({ wallets: ['wechat'], kinds: ['merchant_qr'] });
  });

  for (const [state, enabled] of [
    [AccountState.UNSPECIFIED, true],
    [AccountState.ENABLED, true],
    [AccountState.DISABLED, false],
    [9 as AccountState, false],
  ] as const) {
    test(`has an account whose state is ${state} ${enabled ? 'on' : 'off'}`, () => {
      expect(read({ accounts: [{ accountId: 'a', state }] }).accounts.get('a' as AccountId)?.enabled).toBe(enabled);
    });
  }
});
