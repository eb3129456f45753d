import type { ChannelCall } from '@tillmesh/channel-kit';
import type { WechatAccount } from './config.ts';
import type { V3Stamp } from './v3-signature.ts';

/** A call to WeChat Pay in the name of an account. */
export type WechatCall = ChannelCall<WechatAccount>;

/** How the adapter calls itself. */
export const USER_AGENT = 'tillmesh-channel-wechat/1';

/** The bytes of a nonce; it is written in hex. */
export const NONCE_BYTES = 16;

/** The host of an account to call, and the path that its base address puts before every other. */
export const placeOf = (account: WechatAccount): { readonly baseUrl: string; readonly pathPrefix: string } => {
  const [baseUrl = ''] = account.baseUrls;
  const { pathname } = new URL(baseUrl);
  return { baseUrl, pathPrefix: pathname === '/' ? '' : pathname };
};

/** When and with which nonce something is signed now. */
export const stampOf = ({ clock, random }: Pick<WechatCall, 'clock' | 'random'>): V3Stamp => ({
  timestamp: String(Math.floor(clock.nowMs() / 1_000)),
  nonce: random.hex(NONCE_BYTES),
});
