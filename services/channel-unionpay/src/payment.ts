import {
  type AttemptReport,
  attemptReport,
  type CallFacts,
  type CloseReport,
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
import { rpcErrors } from '@tillmesh/rpc';
import { type Answer, callGateway, nameOf, type UnionpayCall } from './client.ts';
import { classify, mayBeDefinite, type UnionpayOperation } from './code-table.ts';
import type { UnionpayAccount } from './config.ts';
import { detailsOfOrder } from './payment-details.ts';
import { finalAtMs, payTimeoutOf } from './poll-plans.ts';
import type { AcpFields } from './signature.ts';

/** The number of the currency that UnionPay takes here, and its letters. */
const CURRENCY = { number: '156', letters: 'CNY' } as const;
const DAY_MS = 86_400_000;

/** The time of a payment: `traceTime` is MMDDhhmmss, without a year, which is that of the order or, over New Year, the next one. */
export const paidAtMsOf = (traceTime: string, txnTime: string): number | undefined => {
  if (!/^[0-9]{10}$/.test(traceTime) || !/^[0-9]{14}$/.test(txnTime)) return undefined;
  const year = Number(txnTime.slice(0, 4));
  const orderedMs = fromBeijingText(txnTime);
  const inYear = fromBeijingText(`${year}${traceTime}`);
  if (orderedMs === undefined) return undefined;
  if (inYear !== undefined && inYear >= orderedMs - DAY_MS) return inYear;
  return fromBeijingText(`${year + 1}${traceTime}`);
};

/** What an answer or a notification says of a payment; nothing of it is believed before outcomeOfSuccess has compared it. */
export const toldPayment = (fields: AcpFields, account: UnionpayAccount): ToldSuccess => {
  const { txnAmt = '', currencyCode } = fields;
  const isAmount = /^[0-9]{1,12}$/.test(txnAmt) && currencyCode === CURRENCY.number;
  return {
    channelOrderNo: fields['orderId'],
    paid: isAmount ? parseMoney(CURRENCY.letters, BigInt(txnAmt)) : undefined,
    channelTransactionId: fields['queryId'],
    paidAtMs: paidAtMsOf(fields['traceTime'] ?? '', fields['txnTime'] ?? ''),
    isOurs: fields['merId'] === account.merId,
  };
};

const unreadable = ({ facts }: Answer): AttemptReport =>
  attemptReport(facts, unknownOutcome('the answer cannot be read'));

/** Whether a verified answer speaks of this order: number, merchant and time. */
const isAbout = (fields: AcpFields, order: OrderRef, { account }: UnionpayCall): boolean =>
  fields['merId'] === account.merId &&
  fields['orderId'] === order.channelOrderNo &&
  fields['txnTime'] === toBeijingDigits(order.createdAtMs);

const codeOf = (
  answer: Answer,
  fields: AcpFields,
  operation: UnionpayOperation,
  order: OrderRef,
  call: UnionpayCall,
): AttemptReport => {
  const { facts, trust } = answer;
  const { respCode: code = '', respMsg: message = '' } = fields;
  if (!isAbout(fields, order, call)) {
    return attemptReport(facts, unknownOutcome('an answer that speaks of another order'), { channelCode: code });
  }
  if (code === '') return attemptReport(facts, unknownOutcome('respCode is missing'));
  const { confirmedCodes: confirmed } = call.account;
  return codeReport(facts, classify({ operation, code, trust, confirmed }), { code, message });
};

const successReport = (
  { facts, trust }: Answer,
  fields: AcpFields,
  order: OrderRef,
  call: UnionpayCall,
): AttemptReport => {
  const told = toldPayment(fields, call.account);
  const outcome = isAbout(fields, order, call)
    ? outcomeOfSuccess(told, order, trust.signature)
    : unknownOutcome('a success of another order');
  return attemptReport(facts, outcome, {
    channelCode: fields['respCode'] ?? '',
    channelState: fields['origRespCode'] ?? '',
    channelTransactionId: told.channelTransactionId ?? '',
    details: readDetails(outcome, detailsOfOrder(fields)),
  });
};

const orderFields = (request: PaymentRequest): AcpFields => {
  const { order } = request;
  if (order.amount.currency !== CURRENCY.letters) {
    throw rpcErrors.operationNotSupported(`UnionPay takes ${CURRENCY.letters} alone here`, {
      metadata: { channel_id: 'unionpay', operation: 'CreatePayment' },
    });
  }
  return {
    ...nameOf(order.channelOrderNo, order.createdAtMs),
    txnType: '01',
    channelType: '08',
    txnAmt: order.amount.minorUnits.toString(),
    currencyCode: CURRENCY.number,
    backUrl: request.notifyUrl,
    payTimeout: toBeijingDigits(payTimeoutOf({ ...order, expireAtMs: request.expireAtMs })),
    orderDesc: request.subject,
    termId: request.terminalId.slice(0, 8),
  };
};

/** Takes a payment by the payer's code (01/06). */
export const payByCode = async (request: PaymentRequest, call: UnionpayCall): Promise<AttemptReport> => {
  const { order } = request;
  const answer = await callGateway(call, {
    to: 'trade',
    fields: { ...orderFields(request), txnSubType: '06', qrNo: request.paymentCode.reveal() },
    // A payment code is never sent twice: a query finds out.
    repeatable: false,
  });
  if (answer.kind === 'unanswered') return unansweredPayment(answer.facts, answer.cause);
  const { fields } = answer;
  if (fields === undefined) return unreadable(answer);
  if (fields['respCode'] !== '00') return codeOf(answer, fields, 'pay', order, call);
  return takenReport(answer, fields, order, call);
};

/** 00 says that a payment was taken, not that it is paid, whatever else stands beside it: a query tells, and is made at once. */
const takenReport = async (
  { facts, trust }: Answer,
  fields: AcpFields,
  order: OrderRef,
  call: UnionpayCall,
): Promise<AttemptReport> => {
  const isOurs = trust.signature === 'verified' && isAbout(fields, order, call);
  const taken = attemptReport(facts, unknownOutcome('taken, and not yet known as paid'), {
    channelCode: '00',
    queryNow: isOurs,
  });
  if (!isOurs) return taken;
  const seen = await askOrder(order, call);
  // A question that failed says nothing of the payment: what is known is the answer before it.
  return seen.facts.transport === 'answered' && seen.outcome.kind !== 'unknown' ? seen : taken;
};

const QR_CODE = /^https:\/\/qr\.95516\.com\/[!-~]{1,300}$/;

/** Places an order to scan (01/07). A code to show comes out of a verified answer alone. */
export const placeOrder = async (request: PaymentRequest, call: UnionpayCall): Promise<AttemptReport> => {
  const { order } = request;
  const answer = await callGateway(call, {
    to: 'trade',
    fields: { ...orderFields(request), txnSubType: '07' },
    repeatable: false,
  });
  if (answer.kind === 'unanswered') return unansweredPayment(answer.facts, answer.cause);
  const { fields, facts, trust } = answer;
  if (fields === undefined) return unreadable(answer);
  if (fields['respCode'] !== '00') return codeOf(answer, fields, 'place', order, call);
  const qrCode = fields['qrCode'] ?? '';
  return trust.signature === 'verified' && isAbout(fields, order, call) && QR_CODE.test(qrCode)
    ? attemptReport(facts, { kind: 'pending_payer' }, { channelCode: '00', action: { kind: 'qr_code', qrCode } })
    : attemptReport(facts, unknownOutcome('an order was placed, but its answer is not verified or cannot be read'));
};

/**
 * The state of an order in UnionPay's words (origRespCode): paid, under way, or anything else, which may still change until the order's
 * time is over and is an end after that, unless it is a code that UnionPay itself asks after.
 */
const stateReport = (answer: Answer, fields: AcpFields, order: OrderRef, call: UnionpayCall): AttemptReport => {
  const { facts, trust } = answer;
  const { origRespCode: state = '' } = fields;
  const told = {
    channelCode: fields['respCode'] ?? '',
    channelState: state,
    channelMessage: fields['origRespMsg'] ?? '',
  };
  if (state === '00') return successReport(answer, fields, order, call);
  if (trust.signature !== 'verified' || !isAbout(fields, order, call)) {
    return attemptReport(facts, unknownOutcome('an answer that is not verified or speaks of another order'), told);
  }
  if (['03', '04', '05'].includes(state)) {
    return attemptReport(facts, { kind: 'processing' }, told);
  }
  const { confirmedCodes: confirmed } = call.account;
  if (order.kind === 'payment_code' && Object.hasOwn(confirmed.declined, state)) {
    return codeReport(facts, classify({ operation: 'pay', code: state, trust, confirmed }), {
      code: state,
      message: told.channelMessage,
      state,
    });
  }
  if (/^[0-9A-Z]{2}$/.test(state) && mayBeDefinite(state) && call.clock.nowMs() >= finalAtMs(order)) {
    const end = { ruleId: 'unionpay.query.not_paid_in_time', closed: true };
    return attemptReport(facts, outcomeOfEnd(end, { isOurs: true }, trust.signature), { ...told, ruleId: end.ruleId });
  }
  return attemptReport(facts, unknownOutcome(`origRespCode ${state === '' ? 'is missing' : state}`), told);
};

/** Asks how an order stands (00). */
export const askOrder = async (order: OrderRef, call: UnionpayCall): Promise<AttemptReport> => {
  const answer = await callGateway(call, {
    to: 'query',
    fields: { ...nameOf(order.channelOrderNo, order.createdAtMs), txnType: '00', txnSubType: '00' },
    repeatable: true,
  });
  if (answer.kind === 'unanswered') return unanswered(answer.facts, answer.cause);
  const { fields } = answer;
  if (fields === undefined) return unreadable(answer);
  return fields['respCode'] === '00'
    ? stateReport(answer, fields, order, call)
    : codeOf(answer, fields, 'query', order, call);
};

const closedReport = (facts: CallFacts): AttemptReport => {
  const end = { ruleId: 'unionpay.close.not_paid_in_time', closed: true };
  return attemptReport(facts, outcomeOfEnd(end, { isOurs: true }, facts.signature ?? 'absent'), { ruleId: end.ruleId });
};

/**
 * Ends an order by time: UnionPay has no close, and its undo takes back what was paid, which nobody may do by surprise. An order that
 * it does not know, or says is not paid, is over some minutes after its payTimeout.
 */
export const endOrder = async (order: OrderRef, call: UnionpayCall): Promise<CloseReport> => {
  const seen = await askOrder(order, call);
  switch (seen.outcome.kind) {
    case 'succeeded':
      return { end: 'already_paid', repeat: false, seen };
    case 'failed_definite':
      return { end: 'closed', repeat: false, seen };
    case 'pending_payer':
    case 'processing':
    case 'unknown': {
      const isOver = seen.orderNotFound && call.clock.nowMs() >= finalAtMs(order);
      return isOver
        ? { end: 'closed', repeat: false, seen: { ...seen, outcome: closedReport(seen.facts).outcome } }
        : { end: 'undecided', repeat: true, seen };
    }
  }
};
