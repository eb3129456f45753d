import { systemClock, systemRandom } from '@tillmesh/clock';
import { type AccountId, type ChannelId, type MerchantId, type MerchantOrderNo, money } from '@tillmesh/domain';
import type { NewPayment } from '../src/index.ts';

let number = 0;

/** A payment that nobody has asked for before, unless the test says otherwise. */
export const newPayment = (changes: Partial<NewPayment> = {}): NewPayment => {
  number += 1;
  return {
    merchantId: 'm-1' as MerchantId,
    merchantOrderNo: `T${number}-${systemRandom.hex(4)}` as MerchantOrderNo,
    amount: money('CNY', 1_234n),
    kind: 'merchant_qr',
    wallet: 'wechat',
    subject: 'Kaffee & 茶',
    terminalId: 'till-1',
    storeId: '',
    traceparent: '',
    createdAtMs: systemClock.nowMs(),
    expireAtMs: systemClock.nowMs() + 600_000,
    attempt: {
      accountId: 'wechat-a' as AccountId,
      channelId: 'wechat' as ChannelId,
      routeReason: 'rank 0',
      token: systemRandom.hex(8),
    },
    firstCheckAfterMs: 60_000,
    source: 'test',
    ...changes,
  };
};
