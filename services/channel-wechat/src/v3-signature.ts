import type { KeyObject } from 'node:crypto';
import { signRsaSha256, verifyRsaSha256 } from '@tillmesh/channel-kit';
import type { SignatureState } from '@tillmesh/domain';

/** Who signs, and what a signature carries besides. */
export type V3Signer = {
  readonly mchId: string;
  /** Serial number of the merchant's API certificate. */
  readonly serialNo: string;
  readonly privateKey: KeyObject;
};

/** When, in seconds since 1970 as text, and a text that is never used twice. */
export type V3Stamp = { readonly timestamp: string; readonly nonce: string };

const lines = (...parts: string[]): string => parts.map((part) => `${part}\n`).join('');

/**
 * The text that a v3 request signs. Source: pay.weixin.qq.com/doc/v3/merchant/4012365336.
 *
 * @param pathAndQuery exactly as it stands in the request line.
 * @param body exactly as it is sent; empty for GET.
 */
export const v3TextOfRequest = (method: string, pathAndQuery: string, stamp: V3Stamp, body: string): string =>
  lines(method, pathAndQuery, stamp.timestamp, stamp.nonce, body);

/** The text that WeChat Pay signs in an answer or a notification. */
export const v3TextOfAnswer = (stamp: V3Stamp, body: string): string => lines(stamp.timestamp, stamp.nonce, body);

/** The value of the Authorization header. */
export const signV3 = (
  signer: V3Signer,
  request: { readonly method: string; readonly pathAndQuery: string; readonly body: string },
  stamp: V3Stamp,
): string => {
  const text = v3TextOfRequest(request.method, request.pathAndQuery, stamp, request.body);
  const pairs = {
    mchid: signer.mchId,
    nonce_str: stamp.nonce,
    timestamp: stamp.timestamp,
    serial_no: signer.serialNo,
    signature: signRsaSha256(text, signer.privateKey),
  };
  return `WECHATPAY2-SHA256-RSA2048 ${Object.entries(pairs)
    .map(([name, value]) => `${name}="${value}"`)
    .join(',')}`;
};

/**
 * What a page inside WeChat needs to ask the payer (JSAPI). Source: pay.weixin.qq.com/doc/v3/merchant/4012365341: four lines
 * appId, time, nonce, package, the last with its `prepay_id=`.
 */
export const jsapiParameters = (
  appId: string,
  prepayId: string,
  stamp: V3Stamp,
  privateKey: KeyObject,
): Readonly<Record<string, string>> => {
  const packageText = `prepay_id=${prepayId}`;
  return {
    appId,
    timeStamp: stamp.timestamp,
    nonceStr: stamp.nonce,
    package: packageText,
    signType: 'RSA',
    paySign: signRsaSha256(lines(appId, stamp.timestamp, stamp.nonce, packageText), privateKey),
  };
};

/**
 * What an app hands to WeChat's SDK. Source: pay.weixin.qq.com/doc/v3/merchant/4013070351: four lines appid, time, nonce, prepayid.
 */
export const appParameters = (
  appId: string,
  mchId: string,
  prepayId: string,
  stamp: V3Stamp,
  privateKey: KeyObject,
): Readonly<Record<string, string>> => ({
  appid: appId,
  partnerid: mchId,
  prepayid: prepayId,
  package: 'Sign=WXPay',
  noncestr: stamp.nonce,
  timestamp: stamp.timestamp,
  sign: signRsaSha256(lines(appId, stamp.timestamp, stamp.nonce, prepayId), privateKey),
});

/** WeChat Pay's keys that are accepted at the same time, by their Wechatpay-Serial: PUB_KEY_ID_... or a certificate's serial. */
export type WechatpayKeys = ReadonlyMap<string, KeyObject>;

/** The four headers of a signature; empty where one is missing. */
export type V3SignatureHeaders = {
  readonly timestamp: string;
  readonly nonce: string;
  readonly signature: string;
  readonly serial: string;
};

/** The signature's headers out of those of an answer or notification. */
export const v3SignatureHeaders = (headerOf: (name: string) => string): V3SignatureHeaders => ({
  timestamp: headerOf('wechatpay-timestamp'),
  nonce: headerOf('wechatpay-nonce'),
  signature: headerOf('wechatpay-signature'),
  serial: headerOf('wechatpay-serial'),
});

/** Further off than this, a signature is of another time (official SDKs: 5 minutes). */
export const V3_CLOCK_OFFSET_MS_MAX = 300_000;

/** Whether the time in a signature is near enough to ours. */
export const isFresh = (timestamp: string, nowMs: number): boolean =>
  /^[0-9]{1,12}$/.test(timestamp) && Math.abs(Number(timestamp) * 1_000 - nowMs) <= V3_CLOCK_OFFSET_MS_MAX;

/** What is known of a signature, its time left aside. */
export const verifyV3 = (headers: V3SignatureHeaders, body: string, keys: WechatpayKeys): SignatureState => {
  const { timestamp, nonce, signature, serial } = headers;
  if (signature === '') return 'absent';
  const key = keys.get(serial);
  if (key === undefined) return 'invalid';
  return verifyRsaSha256(v3TextOfAnswer({ timestamp, nonce }, body), signature, key) ? 'verified' : 'invalid';
};
