import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AccountId, ChannelId, Currency, MerchantId, RoutedAccount, RoutingTable } from '@tillmesh/domain';
import {
  AccountState,
  type ChannelAccountSchema,
  type RoutingTableSchema,
  type RoutingTable as WireRoutingTable,
} from '@tillmesh/proto/tillmesh/routing/v1/routing_table_pb.ts';
import { kindMap, walletMap } from './enums.ts';

/** An account for the wire. */
export const accountToWire = (account: RoutedAccount): MessageInitShape<typeof ChannelAccountSchema> => ({
  accountId: account.accountId,
  channelId: account.channelId,
  wallets: account.wallets.map(walletMap.toWire),
  kinds: account.kinds.map(kindMap.toWire),
  currencies: [...account.currencies],
  amountMinorUnitsMax: account.amountMax,
  rank: account.rank,
  weight: account.weight,
  feeBasisPoints: account.feeBasisPoints,
  releasedPercent: account.releasedPercent,
  state: account.enabled ? AccountState.ENABLED : AccountState.DISABLED,
  stateNote: account.stateNote,
});

/** A table for the wire. */
export const routingTableToWire = (table: RoutingTable): MessageInitShape<typeof RoutingTableSchema> => ({
  version: table.version,
  merchants: [...table.merchants].map(([merchantId, { displayName, accountIds }]) => ({
    merchantId,
    displayName,
    accountIds: [...accountIds],
  })),
  accounts: [...table.accounts.values()].map(accountToWire),
});

/** A table from the wire. Words that this version does not know are left out: such an account offers less, never something else. */
export const routingTableFromWire = (table: WireRoutingTable): RoutingTable => ({
  version: table.version,
  merchants: new Map(
    table.merchants.map(({ merchantId, displayName, accountIds }) => [
      merchantId as MerchantId,
      { displayName, accountIds: accountIds as AccountId[] },
    ]),
  ),
  accounts: new Map(
    table.accounts.map((account) => [
      account.accountId as AccountId,
      {
        accountId: account.accountId as AccountId,
        channelId: account.channelId as ChannelId,
        wallets: account.wallets.flatMap((wallet) => walletMap.fromWire(wallet) ?? []),
        kinds: account.kinds.flatMap((kind) => kindMap.fromWire(kind) ?? []),
        currencies: account.currencies as Currency[],
        amountMax: account.amountMinorUnitsMax,
        rank: account.rank,
        weight: account.weight,
        feeBasisPoints: account.feeBasisPoints,
        releasedPercent: account.releasedPercent ?? 100,
        // A state of a later version is no permission to take payments.
        enabled: account.state === AccountState.ENABLED || account.state === AccountState.UNSPECIFIED,
        stateNote: account.stateNote,
      },
    ]),
  ),
});
