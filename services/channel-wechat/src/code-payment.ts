import type { AttemptReport, CloseReport, OrderRef, PaymentRequest } from '@tillmesh/channel-kit';
import { askOverV2, payOverV2, reverseOverV2 } from './code-payment-v2.ts';
import { payOverV3, reverseOverV3 } from './code-payment-v3.ts';
import { askOrder } from './order-payment.ts';
import type { WechatCall } from './wechat-call.ts';

// Payment codes go over v2 unless the account says otherwise: v3 knows them for selected merchants only, and the official sources
// contradict each other on it. Both APIs know each other's orders by their numbers, so an account may change over.

/** Takes a payment by the payer's code. Success is final; v2 sends no notification for code payments. */
export const payByCode = (request: PaymentRequest, call: WechatCall): Promise<AttemptReport> =>
  (call.account.codePayments === 'v3' ? payOverV3 : payOverV2)(request, call);

/** Asks how a code payment stands. */
export const askByCode = (order: OrderRef, call: WechatCall): Promise<AttemptReport> =>
  (call.account.codePayments === 'v3' ? askOrder : askOverV2)(order, call);

const reverse = (order: OrderRef, call: WechatCall): Promise<CloseReport> =>
  (call.account.codePayments === 'v3' ? reverseOverV3 : reverseOverV2)(order, call);

/**
 * Takes a code payment back. The channel would close an unpaid order and give back a paid one, and its answer does not tell
 * which: so we look first, and leave a paid order as it is. A payer who pays between the look and the reverse gets the money
 * back, and the end is told as closed.
 */
export const reverseByCode = async (order: OrderRef, call: WechatCall): Promise<CloseReport> => {
  const look = await askByCode(order, call);
  switch (look.outcome.kind) {
    case 'succeeded':
      return { end: 'already_paid', repeat: false, seen: look };
    case 'failed_definite':
      return { end: 'closed', repeat: false, seen: look };
    case 'unknown':
      // An order that the channel does not know may still be on its way there; anything else we must see first.
      return look.orderNotFound ? reverse(order, call) : { end: 'undecided', repeat: true, seen: look };
    case 'pending_payer':
    case 'processing':
      return reverse(order, call);
  }
};
