import { defineChannel } from '@tillmesh/channel-kit';
import { bills } from './bill.ts';
import { StripeAccount } from './config.ts';
import { lanes } from './lanes.ts';
import { parseNotification } from './notification.ts';
import { askOrder, closeOrder, createPayment } from './payment.ts';
import { pollPlans } from './poll-plans.ts';
import { askRefund, refundOrder } from './refund.ts';

/** Stripe: cards, and as an intermediate channel WeChat Pay (a code to scan) and Alipay (an address to go to), over PaymentIntents. */
export const stripe = defineChannel<StripeAccount>({
  id: 'stripe',
  wallets: ['wechat', 'alipay', 'card'],
  kinds: ['merchant_qr', 'pc_redirect', 'h5', 'card'],
  account: StripeAccount,
  lanes,
  pollPlans,
  queryTells: ['payerId', 'funding', 'payerPaid', 'settled'],

  createPayment,
  queryPayment: askOrder,
  closePayment: closeOrder,
  createRefund: refundOrder,
  queryRefund: askRefund,
  bills,
  parseNotification,
});
