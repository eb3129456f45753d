import type { JsonObject } from '@tillmesh/channel-kit';
import type { WechatAccount } from './config.ts';

// A merchant of its own names itself; a service provider (sp_…) names itself and the merchant it works for (sub_…). Both sign with
// the key of the account's mchId. Source: WX-OAPI docs/v3/pay/transactions and docs/v3/pay/partner/transactions.

type Merchant = Pick<WechatAccount, 'mchId' | 'appId' | 'subMerchant'>;
type Ids = Readonly<Record<string, string>>;

const present = (ids: Readonly<Record<string, string | undefined>>): Ids =>
  Object.fromEntries(Object.entries(ids).filter((pair): pair is [string, string] => pair[1] !== undefined));

/** The merchant numbers that v3 is told: in closing bodies and in query strings. */
export const v3MerchantNumbers = ({ mchId, subMerchant }: Merchant): Ids =>
  subMerchant === undefined ? { mchid: mchId } : { sp_mchid: mchId, sub_mchid: subMerchant.mchId };

/** The merchant numbers and applications that v3 is told when an order is placed, paid by code or reversed. */
export const v3MerchantIds = (account: Merchant): Ids => {
  const { appId, subMerchant } = account;
  const applications = subMerchant === undefined ? { appid: appId } : { sp_appid: appId, sub_appid: subMerchant.appId };
  return { ...present(applications), ...v3MerchantNumbers(account) };
};

/** What v2 is told of who asks, and for whom. */
export const v2MerchantIds = ({ mchId, appId, subMerchant }: Merchant): Ids =>
  present({ appid: appId, mch_id: mchId, sub_appid: subMerchant?.appId, sub_mch_id: subMerchant?.mchId });

/** What refunds and bills are told besides: for whom they are. */
export const subMerchantNumber = ({ subMerchant }: Merchant): Ids =>
  subMerchant === undefined ? {} : { sub_mchid: subMerchant.mchId };

/** The path that the account's orders are under. */
export const ordersPathOf = ({ subMerchant }: Merchant): string =>
  subMerchant === undefined ? '/v3/pay/transactions' : '/v3/pay/partner/transactions';

/** The application that knows the account's payers: openids, and what an app or a page is given to sign, are of this one. */
export const payersAppOf = ({ appId, subMerchant }: Merchant): string => subMerchant?.appId ?? appId;

/** A payer of a JSAPI order, under the name that says whose openid it is. */
export const payerOf = ({ subMerchant }: Merchant, openid: string): Ids => {
  if (subMerchant === undefined) return { openid };
  return subMerchant.appId === undefined ? { sp_openid: openid } : { sub_openid: openid };
};

const V3_NAMES = ['mchid', 'appid', 'sp_mchid', 'sp_appid', 'sub_mchid', 'sub_appid'] as const;
const V2_NAMES = ['mch_id', 'appid', 'sub_mch_id', 'sub_appid'] as const;

/** No id stands in it that is not the account's: neither another merchant nor another application. */
const namesNobodyElse = (names: readonly string[], told: JsonObject, ours: Ids): boolean =>
  names.every((name) => told[name] === undefined || told[name] === ours[name]);

const has = (told: JsonObject, ours: Ids, names: readonly string[]): boolean =>
  names.every((name) => ours[name] === undefined || told[name] === ours[name]);

/**
 * True for a transaction of this account: its merchants and its application (a provider's own) stand in it, and nobody else does. The
 * sub-merchant's application is told by WeChat Pay only where the order named one.
 */
export const isOurTransaction = (told: JsonObject, account: Merchant): boolean => {
  const ours = v3MerchantIds(account);
  return (
    namesNobodyElse(V3_NAMES, told, ours) && has(told, ours, ['mchid', 'appid', 'sp_mchid', 'sp_appid', 'sub_mchid'])
  );
};

/** True for what names the merchants of this account and nobody else; its applications need not stand in it: a reverse, a refund's notification. */
export const isOurMerchant = (told: JsonObject, account: Merchant): boolean => {
  const ours = v3MerchantIds(account);
  return namesNobodyElse(V3_NAMES, told, ours) && has(told, ours, ['mchid', 'sp_mchid', 'sub_mchid']);
};

/** True where nobody else is named; an answer about a refund names nobody at all. */
export const namesOnlyUs = (told: JsonObject, account: Merchant): boolean =>
  namesNobodyElse(V3_NAMES, told, v3MerchantIds(account));

/** True for a v2 answer to this account about its own merchant. An empty field is one that is not there. */
export const isOurV2Answer = (fields: Ids, account: Merchant): boolean => {
  const told = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
  const ours = v2MerchantIds(account);
  return namesNobodyElse(V2_NAMES, told, ours) && has(told, ours, ['mch_id', 'appid', 'sub_mch_id']);
};
