import { defineChannel } from '@tillmesh/channel-kit';
import { bills } from './bill.ts';
import { AlipayAccount } from './config.ts';
import { lanes } from './lanes.ts';
import { parseNotification } from './notification.ts';
import { buildPayerAuth, resolvePayer } from './payer-auth.ts';
import { askOrder, createTrade, payByCode, placeOrder, signForPayer } from './payment.ts';
import { pollPlans } from './poll-plans.ts';
import { askRefund, refundOrder } from './refund.ts';
import { cancelOrder, closeOrder } from './trade-end.ts';

/**
 * Alipay: payment codes (trade.pay), orders to scan (trade.precreate), to pay inside Alipay (trade.create), in a browser (trade.wap.pay,
 * trade.page.pay) and in an app (trade.app.pay), over the OpenAPI gateway.
 */
export const alipay = defineChannel<AlipayAccount>({
  id: 'alipay',
  wallets: ['alipay'],
  kinds: ['payment_code', 'merchant_qr', 'jsapi', 'mini_program', 'h5', 'pc_redirect', 'app'],
  account: AlipayAccount,
  lanes,
  pollPlans,
  queryTells: ['payerId', 'payerAccount', 'funding', 'discounts', 'payerPaid', 'settled'],
  furtherHosts: ({ billUrl }) => [{ baseUrl: billUrl }],

  createPayment: (request, call) => {
    switch (request.order.kind) {
      case 'payment_code':
        return payByCode(request, call);
      case 'jsapi':
      case 'mini_program':
        return createTrade(request, call);
      case 'h5':
      case 'pc_redirect':
      case 'app':
        return signForPayer(request, call);
      case 'merchant_qr':
      case 'card': // Not offered, and refused before it comes here.
        return placeOrder(request, call);
    }
  },
  queryPayment: askOrder,
  closePayment: closeOrder,
  reversePayment: cancelOrder,
  createRefund: refundOrder,
  queryRefund: askRefund,
  bills,
  parseNotification,
  buildPayerAuth,
  resolvePayer,
});
