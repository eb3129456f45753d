import {
  authenticityOf,
  isJsonObject,
  type JsonObject,
  type OrderRef,
  type RefundRef,
  type RefundReport,
  type RefundRequest,
  refundReport,
  refundStateOf,
  textAt,
} from '@tillmesh/channel-kit';
import type { RefundNews } from '@tillmesh/domain';
import { type Answer, type Answered, callStripe, errorIn, isVouchedSuccess, type StripeCall } from './client.ts';
import { classify, type StripeOperation } from './code-table.ts';
import { findIntent } from './find-intent.ts';
import { isIntentId } from './intent.ts';
import { moneyIn } from './money.ts';

/** Where our refund number stands in the metadata of a refund. */
export const REFUND_NO = 'refund_no';

// docs.stripe.com/api/refunds/object: status. A refund that requires_action waits for the payer to say where the money shall go,
// and fails after 45 days: somebody has to see to it.
const STATES: ReadonlyMap<string, RefundNews['state']> = new Map([
  ['pending', 'processing'],
  ['succeeded', 'succeeded'],
  ['failed', 'failed'],
  ['canceled', 'failed'],
  ['requires_action', 'abnormal'],
]);

/** The state of a refund in Stripe's words; undefined for a word that nobody listed. */
export const refundStateOfWord = (word: string | undefined): RefundNews['state'] | undefined =>
  word === undefined ? undefined : STATES.get(word);

/** The row that a state stands for, where it is a definite refusal. */
export const refundRuleOf = (state: RefundReport['state'], word: string | undefined): string =>
  state === 'failed' ? `stripe.refund.status.${word}` : '';

const isRefund = (content: JsonObject): boolean =>
  textAt(content, 'object') === 'refund' && /^(?:re|pyr)_[!-~]{1,60}$/.test(textAt(content, 'id') ?? '');

/** What an answer says of a refund that it shows. */
const shownReport = (content: JsonObject, answer: Answer, refund: RefundRef, intentId: string): RefundReport => {
  const word = textAt(content, 'status');
  const told = {
    refundNo: textAt(content, 'metadata', REFUND_NO),
    refunded: moneyIn(content, 'amount'),
    isOurs: isRefund(content) && textAt(content, 'payment_intent') === intentId,
  };
  const state = refundStateOf(refundStateOfWord(word), told, refund, authenticityOf(answer.facts));
  return refundReport(answer.facts, state, {
    ruleId: refundRuleOf(state, word),
    channelRefundId: textAt(content, 'id') ?? '',
    channelCode: word ?? '',
    refunded: state === 'succeeded' || state === 'processing' ? told.refunded : undefined,
  });
};

const refusalReport = (answer: Answer, operation: StripeOperation): RefundReport => {
  const error = errorIn(answer);
  const { facts, trust } = answer;
  if (error === undefined) return refundReport(facts, 'unknown', { channelMessage: 'the answer cannot be read' });
  const { type, code, message } = error;
  const meaning = classify({ operation, type, code, trust });
  return refundReport(facts, meaning.failure === undefined ? 'unknown' : 'failed', {
    ruleId: meaning.ruleId,
    channelCode: code === '' ? type : code,
    channelMessage: message,
  });
};

const undone = (answered: Answered, operation: StripeOperation): RefundReport =>
  answered.kind === 'unanswered'
    ? refundReport(answered.facts, 'unknown', { channelMessage: answered.cause })
    : refusalReport(answered, operation);

/** The id of the intent that a refund is of, or why nobody knows it. */
const intentIdOf = async (order: OrderRef, call: StripeCall): Promise<string | RefundReport> => {
  if (isIntentId(order.channelTransactionId)) return order.channelTransactionId;
  const found = await findIntent(order, call);
  switch (found.kind) {
    case 'found':
      return found.told.id;
    case 'none':
      return refundReport(found.facts, 'unknown', { channelMessage: 'Stripe has no such intent' });
    case 'unclear':
      return refundReport(found.report.facts, 'unknown', {
        channelCode: found.report.channelCode,
        channelMessage: found.report.channelMessage,
      });
  }
};

const PAGE_SIZE = 100;
const PAGES_MAX = 5;

type LookedUp =
  | { readonly kind: 'shown'; readonly content: JsonObject; readonly answer: Answer }
  | { readonly kind: 'none'; readonly answer: Answer }
  | { readonly kind: 'unclear'; readonly report: RefundReport };

/** Looks for our refund number among the refunds of an intent. */
const lookUp = async (refundNo: string, intentId: string, call: StripeCall): Promise<LookedUp> => {
  let after: string | undefined;
  for (let pages = 0; ; pages += 1) {
    const answered = await callStripe(call, {
      method: 'GET',
      path: '/v1/refunds',
      pathTemplate: '/v1/refunds',
      params: { payment_intent: intentId, limit: BigInt(PAGE_SIZE), starting_after: after },
    });
    if (answered.kind === 'unanswered' || !isVouchedSuccess(answered)) {
      return { kind: 'unclear', report: undone(answered, 'query_refund') };
    }
    const { content } = answered;
    const data: unknown = content['data'];
    const hasMore = content['has_more'];
    const unclear = (channelMessage: string): LookedUp => ({
      kind: 'unclear',
      report: refundReport(answered.facts, 'unknown', { channelMessage }),
    });
    if (!Array.isArray(data) || !data.every(isJsonObject) || typeof hasMore !== 'boolean') {
      return unclear('a list that cannot be read');
    }
    const shown = data.find((one) => textAt(one, 'metadata', REFUND_NO) === refundNo);
    if (shown !== undefined) return { kind: 'shown', content: shown, answer: answered };
    if (!hasMore) return { kind: 'none', answer: answered };
    after = textAt(data.at(-1), 'id');
    if (after === undefined || pages + 1 >= PAGES_MAX) return unclear(`not among the ${PAGES_MAX * PAGE_SIZE} newest`);
  }
};

/**
 * Gives money back, once for a refund number: first it is looked for, because an Idempotency-Key is forgotten after a day and
 * the same refund may be asked for later; then it is created under a key that follows from the number, for those that come at once.
 */
export const refundOrder = async (request: RefundRequest, call: StripeCall): Promise<RefundReport> => {
  const { order, amount, refundNo } = request;
  const intentId = await intentIdOf(order, call);
  if (typeof intentId !== 'string') return intentId;
  const before = await lookUp(refundNo, intentId, call);
  if (before.kind === 'unclear') return before.report;
  if (before.kind === 'shown') return shownReport(before.content, before.answer, request, intentId);
  const answered = await callStripe(call, {
    method: 'POST',
    path: '/v1/refunds',
    pathTemplate: '/v1/refunds',
    params: {
      payment_intent: intentId,
      amount: amount.minorUnits,
      metadata: {
        [REFUND_NO]: refundNo,
        order_no: order.channelOrderNo,
        reason: request.reason === '' ? undefined : request.reason,
      },
    },
    idempotencyKey: `${refundNo}-refund`,
  });
  if (answered.kind === 'unanswered' || !isVouchedSuccess(answered)) return undone(answered, 'refund');
  return shownReport(answered.content, answered, request, intentId);
};

/** Asks how a refund stands. */
export const askRefund = async (refund: RefundRef, call: StripeCall): Promise<RefundReport> => {
  const intentId = await intentIdOf(refund.order, call);
  if (typeof intentId !== 'string') return intentId;
  const found = await lookUp(refund.refundNo, intentId, call);
  switch (found.kind) {
    case 'shown':
      return shownReport(found.content, found.answer, refund, intentId);
    case 'none':
      return refundReport(found.answer.facts, 'unknown', { refundNotFound: true });
    case 'unclear':
      return found.report;
  }
};
