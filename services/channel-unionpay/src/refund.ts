import {
  type RefundRef,
  type RefundReport,
  type RefundRequest,
  refundReport,
  refundStateOf,
  toBeijingDigits,
} from '@tillmesh/channel-kit';
import { DAY_MS, ORDER_EPOCH_MS, parseMoney, parseOrderNo } from '@tillmesh/domain';
import { type Answer, type Answered, callGateway, nameOf, type UnionpayCall } from './client.ts';
import { classify, type UnionpayOperation } from './code-table.ts';
import { askOrder } from './payment.ts';
import type { AcpFields } from './signature.ts';

/** When a refund was asked for first: its number says it, and a repeat has to say the same. Of a number that is not ours the order's time. */
export const refundTimeMs = ({ refundNo, order }: RefundRef): number => {
  const parts = parseOrderNo(refundNo)?.parts;
  return parts === undefined ? order.createdAtMs : ORDER_EPOCH_MS + parts.day * DAY_MS + parts.msOfDay;
};

const toldMoney = ({ txnAmt = '', currencyCode = '156' }: AcpFields) =>
  /^[0-9]{1,12}$/.test(txnAmt) && currencyCode === '156' ? parseMoney('CNY', BigInt(txnAmt)) : undefined;

/** Whether an answer speaks of this refund: number, time and merchant. */
const isAbout = (fields: AcpFields, refund: RefundRef, { account }: UnionpayCall): boolean => {
  const { orderId, txnTime } = nameOf(refund.refundNo, refundTimeMs(refund));
  return fields['merId'] === account.merId && fields['orderId'] === orderId && fields['txnTime'] === txnTime;
};

const codeReportOf = (
  answer: Answer,
  operation: UnionpayOperation,
  refund: RefundRef,
  call: UnionpayCall,
): RefundReport => {
  const { facts, trust, fields } = answer;
  if (fields === undefined) return refundReport(facts, 'unknown', { channelMessage: 'the answer cannot be read' });
  const { respCode: code = '', respMsg: message = '' } = fields;
  const { confirmedCodes: confirmed } = call.account;
  const meaning = classify({ operation, code, trust, confirmed });
  return refundReport(facts, meaning.class === 'processing' ? 'processing' : 'unknown', {
    ruleId: meaning.ruleId,
    channelCode: code,
    channelMessage: message,
    // That another refund is not there says nothing of this one.
    refundNotFound: meaning.orderNotFound && isAbout(fields, refund, call),
  });
};

const unansweredReport = ({ facts, cause }: Extract<Answered, { kind: 'unanswered' }>): RefundReport =>
  refundReport(facts, 'unknown', { channelMessage: cause });

const reportOf = (
  answer: Answer,
  says: 'processing' | 'succeeded' | undefined,
  refund: RefundRef,
  call: UnionpayCall,
): RefundReport => {
  const { facts } = answer;
  const fields = answer.fields ?? {};
  const told = { refundNo: fields['orderId'], refunded: toldMoney(fields), isOurs: isAbout(fields, refund, call) };
  const state = refundStateOf(says, told, refund, facts.signature);
  return refundReport(facts, state, {
    channelRefundId: fields['queryId'] ?? '',
    channelCode: fields['origRespCode'] ?? fields['respCode'] ?? '',
    refunded: state === 'succeeded' || state === 'processing' ? told.refunded : undefined,
  });
};

/**
 * Whether a refund is an undo (31): all of a payment, on the day on which its order was made. By the refund's number alone, so that a
 * repeat of tomorrow is the same transaction.
 */
const isUndo = (request: RefundRequest, { account }: UnionpayCall): boolean => {
  const { order, amount } = request;
  const dayOf = (ms: number): string => toBeijingDigits(ms).slice(0, 8);
  return (
    account.undoSameDay &&
    amount.currency === order.amount.currency &&
    amount.minorUnits === order.amount.minorUnits &&
    dayOf(refundTimeMs(request)) === dayOf(order.createdAtMs)
  );
};

/**
 * Gives money back (04, or 31 for all of it on the same day). The order is named by UnionPay's own number, which a query tells where nobody has it yet. 00 says that it was taken:
 * whether it went back a query tells.
 */
export const refundOrder = async (request: RefundRequest, call: UnionpayCall): Promise<RefundReport> => {
  const { order, amount } = request;
  let origQryId = order.channelTransactionId;
  if (!/^[0-9]{21}$/.test(origQryId)) {
    const seen = await askOrder(order, call);
    if (seen.outcome.kind !== 'succeeded') {
      const why = 'UnionPay does not say that the order is paid';
      return refundReport(seen.facts, 'unknown', { channelCode: seen.channelCode, channelMessage: why });
    }
    origQryId = seen.outcome.channelTransactionId;
  }
  const answer = await callGateway(call, {
    to: 'trade',
    fields: {
      ...nameOf(request.refundNo, refundTimeMs(request)),
      txnType: isUndo(request, call) ? '31' : '04',
      txnSubType: '00',
      channelType: '08',
      txnAmt: amount.minorUnits.toString(),
      origQryId,
      backUrl: '',
    },
    // A number is carried out once.
    repeatable: true,
  });
  if (answer.kind === 'unanswered') return unansweredReport(answer);
  return answer.fields?.['respCode'] === '00'
    ? reportOf(answer, 'processing', request, call)
    : codeReportOf(answer, 'refund', request, call);
};

/** Asks how a refund stands (00). */
export const askRefund = async (refund: RefundRef, call: UnionpayCall): Promise<RefundReport> => {
  const answer = await callGateway(call, {
    to: 'query',
    fields: { ...nameOf(refund.refundNo, refundTimeMs(refund)), txnType: '00', txnSubType: '00' },
    repeatable: true,
  });
  if (answer.kind === 'unanswered') return unansweredReport(answer);
  const { fields } = answer;
  if (fields?.['respCode'] !== '00') return codeReportOf(answer, 'query_refund', refund, call);
  const { origRespCode: state = '' } = fields;
  const says = state === '00' ? 'succeeded' : ['03', '04', '05'].includes(state) ? 'processing' : undefined;
  return reportOf(answer, says, refund, call);
};
