import { defineChannel, type HttpHost, type OrderRef } from '@tillmesh/channel-kit';
import { rpcErrors } from '@tillmesh/rpc';
import { bills } from './bill.ts';
import { askByCode, payByCode, reverseByCode } from './code-payment.ts';
import { WechatAccount } from './config.ts';
import { lanes } from './lanes.ts';
import { parseNotification } from './notification.ts';
import { askOrder, closeOrder, placeOrder } from './order-payment.ts';
import { buildPayerAuth, resolvePayer } from './payer-auth.ts';
import { pollPlans } from './poll-plans.ts';
import { askRefund, refundOrder } from './refund.ts';
import { keepKeys } from './wechatpay-keys.ts';

const ID = 'wechat';

const isByCode = (order: OrderRef): boolean => order.kind === 'payment_code';

const unsupported = (operation: string, instead: string) =>
  rpcErrors.operationNotSupported(instead, { metadata: { channel_id: ID, operation } });

const furtherHosts = (account: WechatAccount): readonly HttpHost[] => {
  const { apiCertificate, accountId, baseUrls, payerAuth } = account;
  const forPayers = payerAuth === undefined ? [] : [{ baseUrl: payerAuth.apiUrl }];
  if (apiCertificate === undefined) return forPayers;
  const clientCertificate = {
    holder: accountId,
    certificate: apiCertificate.certificateFile.reveal(),
    privateKey: apiCertificate.keyFile.reveal(),
  };
  return [...forPayers, ...baseUrls.map((baseUrl) => ({ baseUrl, clientCertificate }))];
};

/** WeChat Pay, for a merchant or for the merchants of a service provider: payment codes over v2 or v3, orders to scan (Native), to pay inside WeChat (JSAPI), in a phone's browser (H5) and in an app over v3, refunds over v3. */
export const wechat = defineChannel<WechatAccount>({
  id: ID,
  wallets: ['wechat'],
  kinds: ['payment_code', 'merchant_qr', 'jsapi', 'mini_program', 'h5', 'app'],
  account: WechatAccount,
  lanes,
  pollPlans,
  queryTells: ['payerId', 'funding', 'discounts', 'payerPaid', 'settled'],
  furtherHosts,

  upkeep: { everyMs: 1_000, run: keepKeys },

  createPayment: (request, call) => (isByCode(request.order) ? payByCode(request, call) : placeOrder(request, call)),
  queryPayment: (order, call) => (isByCode(order) ? askByCode(order, call) : askOrder(order, call)),
  closePayment: async (order, call) => {
    // WeChat Pay refuses it with 268449641.
    if (isByCode(order)) throw unsupported('ClosePayment', 'payments by code are reversed, not closed');
    return closeOrder(order, call);
  },
  reversePayment: async (order, call) => {
    if (!isByCode(order)) throw unsupported('ReversePayment', 'only payments by code can be reversed; close this one');
    return reverseByCode(order, call);
  },
  createRefund: refundOrder,
  queryRefund: askRefund,
  bills,
  parseNotification,
  buildPayerAuth,
  resolvePayer,
});
