import { type AccountId, type ChannelId, type MerchantId, type MerchantOrderNo, money } from '@tillmesh/domain';
import type { MerchantOrder, NewPayment } from '../../src/order-group.ts';

const PLAIN: Omit<NewPayment, 'merchantId' | 'merchantOrderNo' | 'attempt'> = {
  amount: money('CNY', 100n),
  kind: 'merchant_qr',
  wallet: 'wechat',
  subject: 'tea',
  terminalId: '',
  storeId: '',
  traceparent: '',
  createdAtMs: 0,
  expireAtMs: 600_000,
  firstCheckAfterMs: 5_000,
  source: 'simulation',
};
const OTHER_AMOUNT = money('CNY', 200n);

/** A merchant's order number. */
export const merchantOrder = (name: string): MerchantOrder => ({
  merchantId: 'm-1' as MerchantId,
  merchantOrderNo: name as MerchantOrderNo,
});

/** What a caller asks for under a number; `isOther` for something else than everybody else. */
export const paymentOf = (of: MerchantOrder, caller: string, isOther: boolean): NewPayment => ({
  ...PLAIN,
  ...(isOther ? { amount: OTHER_AMOUNT } : {}),
  merchantId: of.merchantId,
  merchantOrderNo: of.merchantOrderNo,
  attempt: {
    accountId: 'wechat-a' as AccountId,
    channelId: 'wechat' as ChannelId,
    routeReason: '',
    token: caller,
  },
});
