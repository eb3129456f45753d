import {
  type AttemptReport,
  attemptReport,
  codeReport,
  fromBeijingText,
  type OrderRef,
  outcomeOfEnd,
  outcomeOfSuccess,
  type PaymentRequest,
  readDetails,
  type ToldSuccess,
  toBeijingDigits,
  unanswered,
  unansweredPayment,
} from '@tillmesh/channel-kit';
import { parseMoney, unknownOutcome } from '@tillmesh/domain';
import { type Answer, callGateway, type QraCall } from './client.ts';
import { classify, type QraOperation } from './code-table.ts';
import { detailsOfPayment } from './payment-details.ts';
import type { QraFields } from './signature.ts';

/** What an answer says of a payment; nothing of it is believed before outcomeOfSuccess has compared it with the order. */
const toldPayment = (fields: QraFields, { account }: QraCall): ToldSuccess => {
  const { total_fee: totalFee = '', fee_type: currency = 'CNY' } = fields;
  return {
    channelOrderNo: fields['out_trade_no'],
    paid: /^[0-9]{1,12}$/.test(totalFee) ? parseMoney(currency, BigInt(totalFee)) : undefined,
    channelTransactionId: fields['transaction_id'],
    paidAtMs: fromBeijingText(fields['time_end'] ?? ''),
    isOurs: fields['mch_id'] === account.mchId,
  };
};

/** status: the gateway has understood; result_code: the service has done what it was asked. */
const isDone = (fields: QraFields): boolean => fields['status'] === '0' && fields['result_code'] === '0';

const unreadable = ({ facts }: Answer): AttemptReport =>
  attemptReport(facts, unknownOutcome('the answer cannot be read'));

const refusalReport = (
  answer: Answer,
  fields: QraFields,
  operation: QraOperation,
  { account }: QraCall,
): AttemptReport => {
  const { facts, trust } = answer;
  const { err_code: code = '', need_query: needQuery = '' } = fields;
  // A verified answer to somebody else says nothing of ours.
  if (fields['mch_id'] !== account.mchId) {
    return attemptReport(facts, unknownOutcome('an answer to another merchant'), { channelCode: code });
  }
  const message = fields['err_msg'] ?? fields['message'] ?? '';
  return codeReport(facts, classify({ operation, code, needQuery, trust }), { code, message });
};

const successReport = ({ facts, trust }: Answer, fields: QraFields, order: OrderRef, call: QraCall): AttemptReport => {
  const told = toldPayment(fields, call);
  const outcome = outcomeOfSuccess(told, order, trust.signature);
  return attemptReport(facts, outcome, {
    channelState: fields['trade_state'] ?? '',
    channelTransactionId: told.channelTransactionId ?? '',
    details: readDetails(outcome, detailsOfPayment(fields)),
  });
};

/** Takes a payment by the payer's code (unified.trade.micropay). */
export const payByCode = async (request: PaymentRequest, call: QraCall): Promise<AttemptReport> => {
  const { order } = request;
  const answer = await callGateway(call, {
    service: 'unified.trade.micropay',
    fields: {
      out_trade_no: order.channelOrderNo,
      body: request.subject,
      total_fee: order.amount.minorUnits.toString(),
      fee_type: order.amount.currency,
      // Required; a till that tells none is behind our own address.
      mch_create_ip: request.clientIp.reveal() || '127.0.0.1',
      auth_code: request.paymentCode.reveal(),
      device_info: request.terminalId,
      op_shop_id: request.storeId,
      time_start: toBeijingDigits(order.createdAtMs),
      time_expire: toBeijingDigits(request.expireAtMs),
    },
    // A payment code is never sent twice: a query finds out.
    repeatable: false,
  });
  if (answer.kind === 'unanswered') return unansweredPayment(answer.facts, answer.cause);
  const { fields } = answer;
  if (fields === undefined) return unreadable(answer);
  return isDone(fields) && fields['pay_result'] === '0'
    ? successReport(answer, fields, order, call)
    : refusalReport(answer, fields, 'pay', call);
};

/** Asks how an order stands (unified.trade.query). */
export const askOrder = async (order: OrderRef, call: QraCall): Promise<AttemptReport> => {
  const answer = await callGateway(call, {
    service: 'unified.trade.query',
    fields: { out_trade_no: order.channelOrderNo },
    repeatable: true,
  });
  if (answer.kind === 'unanswered') return unanswered(answer.facts, answer.cause);
  const { fields, facts, trust } = answer;
  if (fields === undefined) return unreadable(answer);
  if (!isDone(fields)) return refusalReport(answer, fields, 'query', call);
  const { trade_state: state = '' } = fields;
  const isAbout = fields['mch_id'] === call.account.mchId && fields['out_trade_no'] === order.channelOrderNo;
  const told = { channelState: state };
  if (trust.signature !== 'verified' || !isAbout) {
    return attemptReport(facts, unknownOutcome('an answer that is not verified or speaks of another order'), told);
  }
  switch (state) {
    // REFUND was paid, and some of it has gone back since: the payment as such has succeeded.
    case 'SUCCESS':
    case 'REFUND':
      return successReport(answer, fields, order, call);
    // Not terminal: the payer may try again while the code counts.
    case 'NOTPAY':
    case 'USERPAYING':
      return attemptReport(facts, { kind: 'pending_payer' }, told);
    case 'CLOSED':
    case 'REVOKED':
    case 'PAYERROR': {
      const end = { ruleId: `qra.query.trade_state.${state}`, closed: state !== 'PAYERROR' };
      return attemptReport(facts, outcomeOfEnd(end, { isOurs: true }, trust.signature), {
        ...told,
        ruleId: end.ruleId,
      });
    }
    default:
      return attemptReport(facts, unknownOutcome(`trade_state ${state === '' ? 'is missing' : state}`), told);
  }
};
