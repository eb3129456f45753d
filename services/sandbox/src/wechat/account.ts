import type { KeyObject } from 'node:crypto';

/** A merchant as WeChat Pay knows it. */
export type WechatAccount = {
  /** The mesh's name of the account; WeChat does not know it. */
  readonly accountId: string;
  readonly mchid: string;
  readonly appid: string;
  /** Encrypts notifications: 32 bytes. */
  readonly apiV3Key: string;
  /** Signs v2: 32 characters. */
  readonly apiV2Key: string;
  /** Serial number of the merchant's certificate, 40 hex digits. */
  readonly merchantSerialNo: string;
  readonly merchantPublicKey: KeyObject;
  /** Of the application, for its web authorisation; undefined: it has none. */
  readonly appSecret: string | undefined;
};

/** WeChat Pay's own key: what answers and notifications are signed with. */
export type PlatformKey = {
  readonly privateKey: KeyObject;
  /** `PUB_KEY_ID_…`; platform certificates come with a later issue. */
  readonly publicKeyId: string;
};
