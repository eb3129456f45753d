import { Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';

/**
 * Whose browser a User-Agent says it is; undefined for any other. A hint: who pays is proved by the wallet's own authorisation.
 * Sources: WeChat Pay's merchant documents 4012791869 (MicroMessenger), Alipay's open documents (AlipayClient, AliApp(AP/…)), UnionPay's
 * QR code specification (UnionPay/<version> <application>).
 */
export const walletOfAgent = (agent: string): Wallet | undefined => {
  if (/\bMicroMessenger\//.test(agent)) return Wallet.WECHAT;
  if (/\bAlipayClient\b|\bAliApp\(AP\//.test(agent)) return Wallet.ALIPAY;
  if (/\bUnionPay\/[0-9.]+ /.test(agent)) return Wallet.UNIONPAY;
  return undefined;
};
