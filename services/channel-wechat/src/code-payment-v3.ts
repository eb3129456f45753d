import {
  type AttemptReport,
  attemptReport,
  type CloseReport,
  type JsonObject,
  type OrderRef,
  outcomeOfEnd,
  outcomeOfSuccess,
  type PaymentRequest,
  readDetails,
  textAt,
  unanswered,
  unansweredPayment,
} from '@tillmesh/channel-kit';
import { unknownOutcome } from '@tillmesh/domain';
import { callV3 } from './client.ts';
import { isOurMerchant, ordersPathOf, v3MerchantIds } from './merchant-ids.ts';
import { isVerifiedSuccess, orderPathOf, refusalReport, toldTransaction } from './order-payment.ts';
import type { WechatCall } from './wechat-call.ts';

// Sources: pay.weixin.qq.com/doc/v3/merchant/4012382150; WX-OAPI docs/v3/pay/transactions/codepay.yaml and …/reverse.yaml, the same
// under /partner/. A query is the one of every v3 order.

/** `scene_info` with the shop, which is required: its own number where we have one. */
const sceneOf = (request: PaymentRequest): JsonObject => {
  const { storeId, terminalId, order } = request;
  const clientIp = request.clientIp.reveal();
  return {
    ...(terminalId === '' ? {} : { device_id: terminalId }),
    ...(clientIp === '' ? {} : { device_ip: clientIp }),
    store_info: { out_id: storeId || terminalId || order.accountId },
  };
};

/** Takes a payment by the payer's code (/codepay). Only a verified SUCCESS is one; a state that is no success has to be asked for. */
export const payOverV3 = async (request: PaymentRequest, call: WechatCall): Promise<AttemptReport> => {
  const { order } = request;
  const { account } = call;
  const path = `${ordersPathOf(account)}/codepay`;
  const answer = await callV3(call, {
    method: 'POST',
    path,
    pathTemplate: path,
    repeatable: false,
    body: {
      ...v3MerchantIds(account),
      description: request.subject,
      out_trade_no: order.channelOrderNo,
      payer: { auth_code: request.paymentCode.reveal() },
      amount: { total: Number(order.amount.minorUnits), currency: order.amount.currency },
      scene_info: sceneOf(request),
    },
  });
  if (answer.kind === 'unanswered') return unansweredPayment(answer.facts, answer.cause);
  const { facts, trust, content } = answer;
  if (facts.httpStatus !== 200 || content === undefined) return refusalReport(answer, 'codepay');
  const told = toldTransaction(content, account);
  const { state = '', stateText, channelTransactionId = '' } = told;
  const words = { channelState: state, channelMessage: stateText, channelTransactionId };
  if (state === 'SUCCESS') {
    const outcome = outcomeOfSuccess(told, order, trust.signature);
    return attemptReport(facts, outcome, { ...words, details: readDetails(outcome, told.details) });
  }
  return attemptReport(facts, unknownOutcome(`trade_state ${state || 'is missing'} to a payment code`), {
    ...words,
    queryNow: true,
  });
};

/** Takes a code payment back: 200 with the merchants and the number of the order. */
export const reverseOverV3 = async (order: OrderRef, call: WechatCall): Promise<CloseReport> => {
  const { account } = call;
  const { path, pathTemplate } = orderPathOf(order, account);
  const answer = await callV3(call, {
    method: 'POST',
    path: `${path}/reverse`,
    pathTemplate: `${pathTemplate}/reverse`,
    body: v3MerchantIds(account),
  });
  if (answer.kind === 'unanswered') {
    return { end: 'undecided', repeat: true, seen: unanswered(answer.facts, answer.cause) };
  }
  const { facts, trust, content } = answer;
  if (facts.httpStatus !== 200) {
    const seen = refusalReport(answer, 'reverse');
    return { end: seen.outcome.kind === 'pending_payer' ? 'payer_paying' : 'undecided', repeat: true, seen };
  }
  const isOurs =
    isVerifiedSuccess(answer, 200) &&
    content !== undefined &&
    isOurMerchant(content, account) &&
    textAt(content, 'out_trade_no') === order.channelOrderNo;
  const end = outcomeOfEnd({ ruleId: 'wechat-v3.reverse.200', closed: true }, { isOurs }, trust.signature);
  return { end: isOurs ? 'closed' : 'undecided', repeat: !isOurs, seen: attemptReport(facts, end) };
};
