import {
  type RefundRef,
  type RefundReport,
  type RefundRequest,
  refundReport,
  refundStateOf,
  textAt,
} from '@tillmesh/channel-kit';
import { toDecimalText } from '@tillmesh/domain';
import { type AlipayCall, type Answered, callGateway } from './client.ts';
import { classify } from './code-table.ts';
import { moneyIn } from './trade.ts';

type Answer = Extract<Answered, { kind: 'answered' }>;

/** What an answer that is no success says of a refund. */
const refused = (answer: Answer, operation: 'refund' | 'query_refund'): RefundReport => {
  const { facts, trust, content } = answer;
  const code = textAt(content, 'code') ?? '';
  const subCode = textAt(content, 'sub_code') ?? '';
  const meaning = classify({ operation, code, subCode, trust });
  return refundReport(facts, meaning.failure === undefined ? 'unknown' : 'failed', {
    ruleId: meaning.ruleId,
    channelCode: subCode === '' ? code : subCode,
    channelMessage: textAt(content, 'sub_msg') ?? textAt(content, 'msg') ?? '',
  });
};

const unanswered = (answer: Extract<Answered, { kind: 'unanswered' }>): RefundReport =>
  refundReport(answer.facts, 'unknown', { channelMessage: answer.cause });

/**
 * Gives money back (alipay.trade.refund). The same refund number twice is one refund at the channel. `fund_change` Y says
 * that money moved by this call; N says nothing (a repeat answers N): then a query has to tell (opendocs, judging a refund).
 * `refund_fee` is what went back of the trade altogether, not by this refund.
 */
export const refundOrder = async (request: RefundRequest, call: AlipayCall): Promise<RefundReport> => {
  const { order, amount, refundNo } = request;
  const answer = await callGateway(call, {
    method: 'alipay.trade.refund',
    content: {
      out_trade_no: order.channelOrderNo,
      out_request_no: refundNo,
      refund_amount: toDecimalText(amount),
      ...(request.reason === '' ? {} : { refund_reason: request.reason }),
    },
  });
  if (answer.kind === 'unanswered') return unanswered(answer);
  const { facts, content } = answer;
  if (content === undefined || textAt(content, 'code') !== '10000') return refused(answer, 'refund');
  const altogether = moneyIn(content, 'refund_fee');
  const covers =
    altogether !== undefined &&
    altogether.currency === amount.currency &&
    altogether.minorUnits >= amount.minorUnits &&
    altogether.minorUnits <= order.amount.minorUnits;
  const moved = textAt(content, 'fund_change') === 'Y' && covers;
  const told = {
    refundNo,
    refunded: amount,
    isOurs: textAt(content, 'out_trade_no') === order.channelOrderNo,
  };
  const state = refundStateOf(moved ? 'succeeded' : undefined, told, request, facts.signature);
  return refundReport(facts, state, {
    channelCode: '10000',
    channelRefundId: textAt(content, 'trade_no') ?? '',
    refunded: state === 'succeeded' ? amount : undefined,
  });
};

/** Asks how a refund stands (alipay.trade.fastpay.refund.query). An answer without any refund says that there is none. */
export const askRefund = async (refund: RefundRef, call: AlipayCall): Promise<RefundReport> => {
  const answer = await callGateway(call, {
    method: 'alipay.trade.fastpay.refund.query',
    content: { out_trade_no: refund.order.channelOrderNo, out_request_no: refund.refundNo },
  });
  if (answer.kind === 'unanswered') return unanswered(answer);
  const { facts, content, trust } = answer;
  if (content === undefined || textAt(content, 'code') !== '10000') return refused(answer, 'query_refund');
  const status = textAt(content, 'refund_status');
  const told = {
    refundNo: textAt(content, 'out_request_no'),
    refunded: moneyIn(content, 'refund_amount'),
    isOurs: textAt(content, 'out_trade_no') === refund.order.channelOrderNo,
  };
  const state = refundStateOf(status === 'REFUND_SUCCESS' ? 'succeeded' : undefined, told, refund, facts.signature);
  const saysNothing = status === undefined && told.refunded === undefined && told.refundNo === undefined;
  return refundReport(facts, state, {
    channelCode: status ?? '10000',
    channelRefundId: textAt(content, 'trade_no') ?? '',
    refunded: state === 'succeeded' ? told.refunded : undefined,
    refundNotFound: saysNothing && trust.signature === 'verified',
  });
};
