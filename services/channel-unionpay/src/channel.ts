import { defineChannel } from '@tillmesh/channel-kit';
import { bills } from './bill.ts';
import { UnionpayAccount } from './config.ts';
import { lanes } from './lanes.ts';
import { parseNotification } from './notification.ts';
import { askOrder, endOrder, payByCode, placeOrder } from './payment.ts';
import { pollPlans } from './poll-plans.ts';
import { askRefund, refundOrder } from './refund.ts';

/** UnionPay, ACP 5.1.0: payment codes (01/06), codes to scan (01/07), queries, refunds and notifications. */
export const unionpay = defineChannel<UnionpayAccount>({
  id: 'unionpay',
  wallets: ['unionpay'],
  kinds: ['payment_code', 'merchant_qr'],
  account: UnionpayAccount,
  lanes,
  pollPlans,
  furtherHosts: ({ fileUrl }) => [{ baseUrl: fileUrl }],
  queryTells: ['funding', 'discounts', 'payerPaid', 'settled'],

  createPayment: (request, call) =>
    request.order.kind === 'payment_code' ? payByCode(request, call) : placeOrder(request, call),
  queryPayment: askOrder,
  closePayment: endOrder,
  createRefund: refundOrder,
  queryRefund: askRefund,
  bills,
  parseNotification,
});
