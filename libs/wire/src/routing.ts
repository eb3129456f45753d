import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type AccountId,
  type ChannelId,
  type Currency,
  DEFAULT_HEALTH_POLICY,
  type MerchantId,
  type MerchantRule,
  type MerchantWebhook,
  type RoutedAccount,
  type RoutingTable,
} from '@tillmesh/domain';
import {
  AccountState,
  type ChannelAccountSchema,
  type MerchantRuleSchema,
  type MerchantWebhookSchema,
  type RoutingTableSchema,
  type ChannelAccount as WireAccount,
  type MerchantRule as WireMerchantRule,
  type RoutingTable as WireRoutingTable,
  type MerchantWebhook as WireWebhook,
} from '@tillmesh/proto/tillmesh/routing/v1/routing_table_pb.ts';
import { kindMap, merchantEventKindMap, walletMap, webhookSigningMap } from './enums.ts';

const dayLimitToWire = ({ dayLimit }: RoutedAccount) =>
  dayLimit === undefined
    ? {}
    : {
        dayLimit: {
          timeZone: dayLimit.timeZone,
          ...(dayLimit.amountMax === undefined ? {} : { amountMinorUnitsMax: dayLimit.amountMax }),
          ...(dayLimit.countMax === undefined ? {} : { countMax: BigInt(dayLimit.countMax) }),
        },
      };

/** An account for the wire. */
export const accountToWire = (account: RoutedAccount): MessageInitShape<typeof ChannelAccountSchema> => ({
  accountId: account.accountId,
  channelId: account.channelId,
  wallets: account.wallets.map(walletMap.toWire),
  kinds: account.kinds.map(kindMap.toWire),
  currencies: [...account.currencies],
  amountMinorUnitsMax: account.amountMax,
  rank: account.rank,
  feeBasisPoints: account.feeBasisPoints,
  weight: account.weight,
  ...dayLimitToWire(account),
  ...(account.grey === undefined
    ? {}
    : { grey: { percent: account.grey.percent, merchantIds: [...account.grey.merchantIds] } }),
  state: account.enabled ? AccountState.ENABLED : AccountState.DISABLED,
  stateNote: account.stateNote,
});

const ruleToWire = (rule: MerchantRule): MessageInitShape<typeof MerchantRuleSchema> => ({
  wallets: rule.wallets.map(walletMap.toWire),
  kinds: rule.kinds.map(kindMap.toWire),
  ...(rule.amountMin === undefined ? {} : { amountMinorUnitsMin: rule.amountMin }),
  ...(rule.amountMax === undefined ? {} : { amountMinorUnitsMax: rule.amountMax }),
  preferAccountIds: [...rule.prefer],
  excludeAccountIds: [...rule.exclude],
});

const webhookToWire = (webhook: MerchantWebhook): MessageInitShape<typeof MerchantWebhookSchema> => ({
  endpointId: webhook.endpointId,
  url: webhook.url,
  signing: webhookSigningMap.toWire(webhook.signing),
  keyIds: [...webhook.keyIds],
  kinds: webhook.kinds.map(merchantEventKindMap.toWire),
});

/** A table for the wire. */
export const routingTableToWire = (table: RoutingTable): MessageInitShape<typeof RoutingTableSchema> => ({
  version: table.version,
  merchants: [...table.merchants].map(([merchantId, { displayName, accountIds, rules, webhooks }]) => ({
    merchantId,
    displayName,
    accountIds: [...accountIds],
    rules: rules.map(ruleToWire),
    webhooks: webhooks.map(webhookToWire),
  })),
  accounts: [...table.accounts.values()].map(accountToWire),
  healthPolicy: { ...table.healthPolicy, returnSteps: table.healthPolicy.returnSteps.map((step) => ({ ...step })) },
});

const dayLimitFromWire = ({ dayLimit }: WireAccount): RoutedAccount['dayLimit'] =>
  dayLimit === undefined
    ? undefined
    : {
        timeZone: dayLimit.timeZone,
        amountMax: dayLimit.amountMinorUnitsMax,
        countMax: dayLimit.countMax === undefined ? undefined : Number(dayLimit.countMax),
      };

const accountFromWire = (account: WireAccount): RoutedAccount => ({
  accountId: account.accountId as AccountId,
  channelId: account.channelId as ChannelId,
  wallets: account.wallets.flatMap((wallet) => walletMap.fromWire(wallet) ?? []),
  kinds: account.kinds.flatMap((kind) => kindMap.fromWire(kind) ?? []),
  currencies: account.currencies as Currency[],
  amountMax: account.amountMinorUnitsMax,
  rank: account.rank,
  feeBasisPoints: account.feeBasisPoints,
  weight: account.weight,
  dayLimit: dayLimitFromWire(account),
  grey:
    account.grey === undefined
      ? undefined
      : { percent: account.grey.percent, merchantIds: account.grey.merchantIds as MerchantId[] },
  // A state of a later version is no permission to take payments.
  enabled: account.state === AccountState.ENABLED || account.state === AccountState.UNSPECIFIED,
  stateNote: account.stateNote,
});

const ruleFromWire = (rule: WireMerchantRule): readonly MerchantRule[] => {
  const wallets = rule.wallets.flatMap((wallet) => walletMap.fromWire(wallet) ?? []);
  const kinds = rule.kinds.flatMap((kind) => kindMap.fromWire(kind) ?? []);
  // A rule that speaks only of words unknown here speaks of no payment that can be taken here: emptied, it would speak of all.
  if (wallets.length === 0 && rule.wallets.length > 0) return [];
  if (kinds.length === 0 && rule.kinds.length > 0) return [];
  return [
    {
      wallets,
      kinds,
      amountMin: rule.amountMinorUnitsMin,
      amountMax: rule.amountMinorUnitsMax,
      prefer: rule.preferAccountIds as AccountId[],
      exclude: rule.excludeAccountIds as AccountId[],
    },
  ];
};

const webhookFromWire = (webhook: WireWebhook): readonly MerchantWebhook[] => {
  const signing = webhookSigningMap.fromWire(webhook.signing);
  const kinds = webhook.kinds.flatMap((kind) => merchantEventKindMap.fromWire(kind) ?? []);
  // Signed in a way that is unknown here it would be of no use; asked for unknown events only, it would get all of them.
  if (signing === undefined || (kinds.length === 0 && webhook.kinds.length > 0)) return [];
  return [{ endpointId: webhook.endpointId, url: webhook.url, signing, keyIds: webhook.keyIds, kinds }];
};

const policyFromWire = ({ healthPolicy: policy }: WireRoutingTable): RoutingTable['healthPolicy'] =>
  policy === undefined
    ? DEFAULT_HEALTH_POLICY
    : {
        returnSteps: policy.returnSteps.map(({ sharePercent, ms }) => ({ sharePercent, ms })),
        goodPercent: policy.goodPercent,
        badPercent: policy.badPercent,
        outcomesMin: policy.outcomesMin,
        reportAgeMsMax: policy.reportAgeMsMax,
      };

/** A table from the wire. Words that this version does not know are left out: such an account offers less, never something else. */
export const routingTableFromWire = (table: WireRoutingTable): RoutingTable => ({
  version: table.version,
  merchants: new Map(
    table.merchants.map(({ merchantId, displayName, accountIds, rules, webhooks }) => [
      merchantId as MerchantId,
      {
        displayName,
        accountIds: accountIds as AccountId[],
        rules: rules.flatMap(ruleFromWire),
        webhooks: webhooks.flatMap(webhookFromWire),
      },
    ]),
  ),
  accounts: new Map(table.accounts.map((account) => [account.accountId as AccountId, accountFromWire(account)])),
  healthPolicy: policyFromWire(table),
});
