import { accountOfChannel, type FurtherChannel } from '@tillmesh/local-mesh';

/** A channel of the drill: its one account, and the merchant whose payments go there and nowhere else. */
export type DrillChannel = {
  readonly channelId: string;
  readonly wallet: 'wechat' | 'alipay';
  readonly accountId: string;
  readonly merchantId: string;
};

/** The drill's payers show codes, which these adapters take. */
type FurtherWallet = { readonly adapter: DrillChannel['wallet'] };

/** The one that is made sick. */
export const VICTIM = 'wechat-2';

/** Beside wechat and alipay: eight channels in all, each a process of its own. */
export const FURTHER_CHANNELS: readonly (FurtherChannel & FurtherWallet)[] = [
  { channelId: VICTIM, adapter: 'wechat', switched: true },
  { channelId: 'wechat-3', adapter: 'wechat' },
  { channelId: 'wechat-4', adapter: 'wechat' },
  { channelId: 'alipay-2', adapter: 'alipay' },
  { channelId: 'alipay-3', adapter: 'alipay' },
  { channelId: 'alipay-4', adapter: 'alipay' },
];

const channel = (channelId: string, wallet: 'wechat' | 'alipay', accountId: string): DrillChannel => ({
  channelId,
  wallet,
  accountId,
  merchantId: `shop-${channelId}`,
});

export const EIGHT_CHANNELS: readonly DrillChannel[] = [
  channel('wechat', 'wechat', 'wechat-a'),
  channel('alipay', 'alipay', 'alipay-a'),
  ...FURTHER_CHANNELS.map(({ channelId, adapter }) => channel(channelId, adapter, accountOfChannel(channelId))),
];

/** Merchants of the routing table: each may use its channel's account alone, so that nothing hides a sick one. */
export const eightMerchants = EIGHT_CHANNELS.map(({ merchantId, accountId }) => ({
  merchantId,
  displayName: merchantId,
  accountIds: [accountId],
}));
