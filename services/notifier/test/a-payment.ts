import {
  type AccountId,
  type ChannelId,
  type MerchantId,
  type MerchantOrderNo,
  money,
  type OrderNo,
  type Payment,
} from '@tillmesh/domain';
import { paymentAsWritten } from '@tillmesh/order-groups';

/** A payment that has succeeded. */
export const aPayment = (orderNo: OrderNo, merchantId: MerchantId, version: number): Payment => ({
  ...paymentAsWritten(
    orderNo,
    {
      merchantId,
      merchantOrderNo: 'm-1' as MerchantOrderNo,
      amount: money('CNY', 100n),
      kind: 'payment_code',
      wallet: 'wechat',
      subject: 'Tea',
      attempt: { accountId: 'a' as AccountId, channelId: 'wechat' as ChannelId, token: 't', routeReason: 'only one' },
      terminalId: '',
      storeId: '',
      traceparent: '',
      createdAtMs: 0,
      expireAtMs: 60_000,
      firstCheckAfterMs: 10_000,
      source: 'test',
    },
    version,
  ),
  state: 'succeeded',
});
