import type { KeyObject } from 'node:crypto';

/** A merchant that a service provider works for. */
export type SubMerchant = {
  /** The mesh's name of the account. */
  readonly accountId: string;
  readonly mchid: string;
  /** Its own application; undefined: it has none. */
  readonly appid: string | undefined;
};

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
  /** What is signed with for it where no request asks for a key. */
  readonly signedWith: 'public_key' | 'certificate';
  /** For whom it may work as a service provider. */
  readonly subMerchants: readonly SubMerchant[];
  /** For whom it asks in this request; undefined: for itself. */
  readonly sub: SubMerchant | undefined;
};

/** The account as it asks for one of its sub-merchants; undefined where it does not work for that merchant. */
export const inTheNameOf = (account: WechatAccount, subMchid: string): WechatAccount | undefined => {
  const sub = account.subMerchants.find(({ mchid }) => mchid === subMchid);
  return sub === undefined ? undefined : { ...account, accountId: sub.accountId, sub };
};

/** True where an order was placed for another merchant of the same provider, or by the provider itself. */
export const isForAnother = (order: { readonly sub?: SubMerchant | undefined }, account: WechatAccount): boolean =>
  order.sub?.mchid !== account.sub?.mchid;

/** The merchants of an order, as v3 tells them. */
export const merchantView = ({ mchid, sub }: { readonly mchid: string; readonly sub?: SubMerchant | undefined }) =>
  sub === undefined ? { mchid } : { sp_mchid: mchid, sub_mchid: sub.mchid };

/** The applications of an order, as v3 tells them. */
export const applicationView = ({ appid, sub }: { readonly appid: string; readonly sub?: SubMerchant | undefined }) => {
  if (sub === undefined) return { appid };
  return { sp_appid: appid, ...(sub.appid === undefined ? {} : { sub_appid: sub.appid }) };
};
