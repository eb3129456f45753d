import { defineChannel } from '@tillmesh/channel-kit';
import { SampleAccount } from './config.ts';
import { lanes } from './lanes.ts';
import { askOrder, payByCode } from './payment.ts';
import { pollPlans } from './poll-plans.ts';

/**
 * Sample Pay, an acquirer that nobody has: the working template of a channel, with the two operations that every channel needs.
 * Further operations (closePayment, createRefund, parseNotification …) are further members; see libs/channel-kit/src/channel.ts.
 */
export const sample = defineChannel<SampleAccount>({
  id: 'sample',
  wallets: ['wechat', 'alipay'],
  kinds: ['payment_code'],
  account: SampleAccount,
  lanes,
  pollPlans,

  createPayment: payByCode,
  queryPayment: askOrder,
});
