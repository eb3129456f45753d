import { rfc3339InBeijing } from '../beijing-time.ts';
import { merchantView } from './account.ts';
import type { WechatOrder } from './order.ts';
import { RECEIVED_ACCOUNT, type RefundEnded, type WechatRefund } from './refund.ts';

const successTime = (refund: WechatRefund) =>
  refund.status === 'SUCCESS' ? { success_time: rfc3339InBeijing(refund.endedAtMs) } : {};

/** A refund as v3 answers it. */
export const refundView = (refund: WechatRefund) => ({
  refund_id: refund.refundId,
  out_refund_no: refund.outRefundNo,
  transaction_id: refund.transactionId,
  out_trade_no: refund.outTradeNo,
  channel: 'ORIGINAL',
  user_received_account: RECEIVED_ACCOUNT,
  ...successTime(refund),
  create_time: rfc3339InBeijing(refund.createdAtMs),
  status: refund.status,
  funds_account: 'AVAILABLE',
  amount: {
    total: Number(refund.total),
    refund: Number(refund.amount),
    from: [],
    payer_total: Number(refund.total),
    payer_refund: Number(refund.amount),
    settlement_refund: Number(refund.amount),
    settlement_total: Number(refund.total),
    discount_refund: 0,
    currency: 'CNY',
  },
  promotion_detail: [],
});

/** What a refund's notification says once it is decrypted. */
export const refundNotice = (refund: RefundEnded, order: WechatOrder) => ({
  ...merchantView(order),
  transaction_id: refund.transactionId,
  out_trade_no: refund.outTradeNo,
  refund_id: refund.refundId,
  out_refund_no: refund.outRefundNo,
  refund_status: refund.status,
  ...successTime(refund),
  user_received_account: RECEIVED_ACCOUNT,
  amount: {
    total: Number(refund.total),
    refund: Number(refund.amount),
    payer_total: Number(refund.total),
    payer_refund: Number(refund.amount),
  },
});
