import { defineChannel } from '@tillmesh/channel-kit';
import { QraAccount } from './config.ts';
import { lanes } from './lanes.ts';
import { askOrder, payByCode } from './payment.ts';
import { pollPlans } from './poll-plans.ts';

/**
 * UnionPay QRA: an acquirer that takes the payment codes of every wallet under one contract, and so a second way to each. It
 * has two operations here; an unpaid code order ends by itself, and money goes back by hand.
 */
export const qra = defineChannel<QraAccount>({
  id: 'qra',
  wallets: ['wechat', 'alipay', 'unionpay'],
  kinds: ['payment_code'],
  account: QraAccount,
  lanes,
  pollPlans,

  createPayment: payByCode,
  queryPayment: askOrder,
});
