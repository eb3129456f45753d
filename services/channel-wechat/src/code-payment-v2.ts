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
import { type Answered, callV2 } from './client.ts';
import { classify, type V2Operation } from './code-table.ts';
import type { WechatAccount } from './config.ts';
import { isOurV2Answer } from './merchant-ids.ts';
import { detailsOfV2 } from './payment-details.ts';
import { orderReport, type ToldOrder } from './trade-state.ts';
import type { V2Fields } from './v2-signature.ts';
import type { WechatCall } from './wechat-call.ts';

type V2Answer = Extract<Answered<V2Fields>, { kind: 'answered' }>;

const toldOrder = (fields: V2Fields, account: WechatAccount): ToldOrder => {
  const totalFee = fields['total_fee'] ?? '';
  const paid = /^[0-9]{1,12}$/.test(totalFee) ? parseMoney(fields['fee_type'] ?? 'CNY', BigInt(totalFee)) : undefined;
  return {
    channelOrderNo: fields['out_trade_no'],
    paid,
    channelTransactionId: fields['transaction_id'],
    paidAtMs: fromBeijingText(fields['time_end'] ?? ''),
    isOurs: isOurV2Answer(fields, account),
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
  if (trust.signature === 'verified' && !isOurV2Answer(content, account)) {
    return attemptReport(facts, unknownOutcome('an answer to another merchant or application'), { channelCode: code });
  }
  return codeReport(facts, classify({ api: 'v2', operation, code, trust }), { code, message });
};

const succeeded = (content: V2Fields | undefined): content is V2Fields =>
  content?.['return_code'] === 'SUCCESS' && content['result_code'] === 'SUCCESS';

/** Takes a payment by the payer's code (/pay/micropay). Success is final; there is no notification for code payments. */
export const payOverV2 = async (request: PaymentRequest, call: WechatCall): Promise<AttemptReport> => {
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
export const askOverV2 = async (order: OrderRef, call: WechatCall): Promise<AttemptReport> => {
  const answer = await callV2(call, {
    path: '/pay/orderquery',
    fields: { out_trade_no: order.channelOrderNo },
    repeatable: true,
  });
  if (answer.kind === 'unanswered') return unanswered(answer.facts, answer.cause);
  if (!succeeded(answer.content)) return refusal(answer, 'query', call.account);
  return orderReport('wechat-v2', toldOrder(answer.content, call.account), order, answer.facts);
};

/** Takes a code payment back (/secapi/pay/reverse); `recall` says whether to ask again. */
export const reverseOverV2 = async (order: OrderRef, call: WechatCall): Promise<CloseReport> => {
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
  if (succeeded(content) && content['recall'] === 'N' && verified && isOurV2Answer(content, call.account)) {
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
