import { defineChannel } from '@tillmesh/channel-kit';
import { AlipayAccount } from './config.ts';
import { lanes } from './lanes.ts';
import { parseNotification } from './notification.ts';
import { buildPayerAuth, resolvePayer } from './payer-auth.ts';
import { askOrder, payByCode, placeOrder } from './payment.ts';
import { pollPlans } from './poll-plans.ts';
import { askRefund, refundOrder } from './refund.ts';
import { cancelOrder, closeOrder } from './trade-end.ts';

/** Alipay: payment codes (trade.pay) and orders to scan (trade.precreate), over the OpenAPI gateway. */
export const alipay = defineChannel<AlipayAccount>({
  id: 'alipay',
  wallets: ['alipay'],
  kinds: ['payment_code', 'merchant_qr'],
  account: AlipayAccount,
  lanes,
  pollPlans,

  createPayment: (request, call) =>
    request.order.kind === 'payment_code' ? payByCode(request, call) : placeOrder(request, call),
  queryPayment: askOrder,
  closePayment: closeOrder,
  reversePayment: cancelOrder,
  createRefund: refundOrder,
  queryRefund: askRefund,
  parseNotification,
  buildPayerAuth,
  resolvePayer,
});
