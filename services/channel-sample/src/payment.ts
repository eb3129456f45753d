import {
  type AttemptReport,
  attemptReport,
  codeReport,
  fromRfc3339,
  type JsonObject,
  type OrderRef,
  outcomeOfSuccess,
  type PaymentRequest,
  readDetails,
  type ToldDetails,
  type ToldSuccess,
  textAt,
  toldText,
  unanswered,
  unansweredPayment,
  wholeNumberAt,
} from '@tillmesh/channel-kit';
import { parseMoney, unknownOutcome } from '@tillmesh/domain';
import { type Answer, callSample, type SampleCall } from './client.ts';
import { classify, type SampleOperation } from './code-table.ts';

/** What an answer says of a payment; nothing of it is believed before outcomeOfSuccess has compared it with the order. */
const toldPayment = (content: JsonObject, { account }: SampleCall): ToldSuccess => {
  const amount = wholeNumberAt(content, 'amount');
  return {
    channelOrderNo: textAt(content, 'order'),
    paid: amount === undefined ? undefined : parseMoney(textAt(content, 'currency') ?? '', BigInt(amount)),
    channelTransactionId: textAt(content, 'id'),
    paidAtMs: fromRfc3339(textAt(content, 'paidAt') ?? ''),
    isOurs: textAt(content, 'merchant') === account.merchantNo,
  };
};

/** What it tells beyond that. Fields that cannot be right are left out and counted by readDetails; the outcome stays. */
const detailsOfPayment = (content: JsonObject): ToldDetails => ({ payerId: toldText(content['payer']) });

const reportOf = (answer: Answer, operation: SampleOperation, order: OrderRef, call: SampleCall): AttemptReport => {
  const { facts, trust, content } = answer;
  if (content === undefined) return attemptReport(facts, unknownOutcome('the answer cannot be read'));
  const code = textAt(content, 'code') ?? '';
  if (facts.httpStatus === 200 && code === 'PAID') {
    const told = toldPayment(content, call);
    const outcome = outcomeOfSuccess(told, order, trust.signature);
    return attemptReport(facts, outcome, {
      channelCode: code,
      channelState: code,
      channelTransactionId: told.channelTransactionId ?? '',
      details: readDetails(outcome, detailsOfPayment(content)),
    });
  }
  const message = textAt(content, 'message') ?? '';
  // A verified answer to somebody else, or about another order, says nothing of ours.
  if (textAt(content, 'merchant') !== call.account.merchantNo || textAt(content, 'order') !== order.channelOrderNo) {
    return attemptReport(facts, unknownOutcome('an answer about another order or merchant'), { channelCode: code });
  }
  return codeReport(facts, classify({ operation, code, trust }), { code, message });
};

/** Takes a payment by the payer's code. */
export const payByCode = async (request: PaymentRequest, call: SampleCall): Promise<AttemptReport> => {
  const { order } = request;
  const answer = await callSample(call, {
    method: 'POST',
    path: '/v1/payments',
    pathTemplate: '/v1/payments',
    content: {
      merchant: call.account.merchantNo,
      order: order.channelOrderNo,
      amount: Number(order.amount.minorUnits),
      currency: order.amount.currency,
      description: request.subject,
      paymentCode: request.paymentCode.reveal(),
    },
    // A payment code is never sent twice: a query finds out.
    repeatable: false,
  });
  if (answer.kind === 'unanswered') return unansweredPayment(answer.facts, answer.cause);
  return reportOf(answer, 'pay', order, call);
};

/** Asks how an order stands. */
export const askOrder = async (order: OrderRef, call: SampleCall): Promise<AttemptReport> => {
  const answer = await callSample(call, {
    method: 'GET',
    path: `/v1/payments/${order.channelOrderNo}?merchant=${call.account.merchantNo}`,
    pathTemplate: '/v1/payments/{order}',
    repeatable: true,
  });
  if (answer.kind === 'unanswered') return unanswered(answer.facts, answer.cause);
  return reportOf(answer, 'query', order, call);
};
