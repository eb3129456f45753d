import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type AccountId,
  type ChannelId,
  type MerchantId,
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
  releasedPercent: fc.nat(100),
  enabled: fc.boolean(),
  stateNote: fc.string({ maxLength: 20 }),
});

describe('a routing table', () => {
  test('is the same on both sides of the wire', () => {
    const tableOf = fc
      .record({ version: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), accounts: fc.array(accountOf, { maxLength: 5 }) })
      .map(
        ({ version, accounts }): RoutingTable => ({
          version,
          merchants: new Map([
            ['m-1' as MerchantId, { displayName: 'One', accountIds: accounts.map(({ accountId }) => accountId) }],
          ]),
          accounts: new Map(accounts.map((account) => [account.accountId, account])),
        }),
      );
    fc.assert(
      fc.property(tableOf, (table) => {
        expect(read(routingTableToWire(table))).toEqual(table);
      }),
    );
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
