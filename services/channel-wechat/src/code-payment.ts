import {
  type AttemptReport,
  attemptReport,
  type CloseReport,
  codeReport,
  fromBeijingText,
  type OrderRef,
  outcomeOfEnd,
  outcomeOfSuccess,
  type PaymentRequest,
  readDetails,
  unanswered,
  unansweredPayment,
} from '@tillmesh/channel-kit';
import { parseMoney, unknownOutcome } from '@tillmesh/domain';
import { type Answered, callV2, type WechatCall } from './client.ts';
import { classify, type V2Operation } from './code-table.ts';
import type { WechatAccount } from './config.ts';
import { detailsOfV2 } from './payment-details.ts';
import { orderReport, type ToldOrder } from './trade-state.ts';
import type { V2Fields } from './v2-signature.ts';

// Payment codes go over v2: v3 knows them for selected merchants only (the official sources contradict each other on it).

type V2Answer = Extract<Answered<V2Fields>, { kind: 'answered' }>;

const isOurs = (fields: V2Fields, account: WechatAccount): boolean =>
  fields['appid'] === account.appId && fields['mch_id'] === account.mchId;

const toldOrder = (fields: V2Fields, account: WechatAccount): ToldOrder => {
  const totalFee = fields['total_fee'] ?? '';
  const paid = /^[0-9]{1,12}$/.test(totalFee) ? parseMoney(fields['fee_type'] ?? 'CNY', BigInt(totalFee)) : undefined;
  return {
    channelOrderNo: fields['out_trade_no'],
    paid,
    channelTransactionId: fields['transaction_id'],
    paidAtMs: fromBeijingText(fields['time_end'] ?? ''),
    isOurs: isOurs(fields, account),
    state: fields['trade_state'],
    stateText: fields['trade_state_desc'] ?? '',
    details: detailsOfV2(fields, paid),
  };
};

/** The report of an answer that is no success: return_code FAIL, result_code FAIL, or nothing that can be read. */
const refusal = (answer: V2Answer, operation: V2Operation, account: WechatAccount): AttemptReport => {
  const { facts, trust, content } = answer;
  if (content === undefined) return attemptReport(facts, unknownOutcome('the answer cannot be read'));
  const code = content['err_code'] ?? '';
  const message = content['err_code_des'] ?? content['return_msg'] ?? '';
  // A verified answer to somebody else says nothing of our order. Without a signature there need not be ids.
  if (trust.signature === 'verified' && !isOurs(content, account)) {
    return attemptReport(facts, unknownOutcome('an answer to another merchant or application'), { channelCode: code });
  }
  return codeReport(facts, classify({ api: 'v2', operation, code, trust }), { code, message });
};

const succeeded = (content: V2Fields | undefined): content is V2Fields =>
  content?.['return_code'] === 'SUCCESS' && content['result_code'] === 'SUCCESS';

/** Takes a payment by the payer's code (/pay/micropay). Success is final; there is no notification for code payments. */
export const payByCode = async (request: PaymentRequest, call: WechatCall): Promise<AttemptReport> => {
  const { order } = request;
  const answer = await callV2(call, {
    path: '/pay/micropay',
    fields: {
      body: request.subject,
      out_trade_no: order.channelOrderNo,
      total_fee: order.amount.minorUnits.toString(),
      fee_type: order.amount.currency,
      // Required; a till that tells none is behind our own address.
      spbill_create_ip: request.clientIp.reveal() || '127.0.0.1',
      auth_code: request.paymentCode.reveal(),
      device_info: request.terminalId,
    },
  });
  if (answer.kind === 'unanswered') return unansweredPayment(answer.facts, answer.cause);
  const { facts, content, trust } = answer;
  if (!succeeded(content)) return refusal(answer, 'pay', call.account);
  const told = toldOrder(content, call.account);
  const outcome = outcomeOfSuccess(told, order, trust.signature);
  return attemptReport(facts, outcome, {
    channelTransactionId: told.channelTransactionId ?? '',
    details: readDetails(outcome, told.details),
  });
};

/** Asks how a code payment stands (/pay/orderquery). */
export const askByCode = async (order: OrderRef, call: WechatCall): Promise<AttemptReport> => {
  const answer = await callV2(call, {
    path: '/pay/orderquery',
    fields: { out_trade_no: order.channelOrderNo },
    repeatable: true,
  });
  if (answer.kind === 'unanswered') return unanswered(answer.facts, answer.cause);
  if (!succeeded(answer.content)) return refusal(answer, 'query', call.account);
  return orderReport('wechat-v2', toldOrder(answer.content, call.account), order, answer.facts);
};

const reverse = async (order: OrderRef, call: WechatCall): Promise<CloseReport> => {
  const answer = await callV2(call, {
    path: '/secapi/pay/reverse',
    fields: { out_trade_no: order.channelOrderNo },
    withCertificate: true,
  });
  if (answer.kind === 'unanswered') {
    return { end: 'undecided', repeat: true, seen: unanswered(answer.facts, answer.cause) };
  }
  const { facts, content, trust } = answer;
  const verified = trust.signature === 'verified';
  if (succeeded(content) && content['recall'] === 'N' && verified && isOurs(content, call.account)) {
    const end = { ruleId: 'wechat-v2.reverse.SUCCESS', closed: true };
    const seen = attemptReport(facts, outcomeOfEnd(end, { isOurs: true }, trust.signature));
    return { end: 'closed', repeat: false, seen };
  }
  const seen = succeeded(content)
    ? attemptReport(facts, unknownOutcome(`a reverse with recall ${content['recall'] ?? 'missing'}`))
    : refusal(answer, 'reverse', call.account);
  // Reversing while the payer types is refused and changes nothing.
  return { end: seen.outcome.kind === 'pending_payer' ? 'payer_paying' : 'undecided', repeat: true, seen };
};

/**
 * Takes a code payment back (/secapi/pay/reverse). The channel would close an unpaid order and give back a paid one, and its
 * answer does not tell which: so we look first, and leave a paid order as it is. A payer who pays between the look and the
 * reverse gets the money back, and the end is told as closed.
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
