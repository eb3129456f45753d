import {
  type AttemptReport,
  attemptReport,
  authenticityOf,
  type CallFacts,
  codeReport,
  type JsonObject,
  type OrderRef,
  outcomeOfEnd,
  outcomeOfSuccess,
  readDetails,
  type ToldDetails,
  type ToldSuccess,
  textAt,
  wholeNumberAt,
} from '@tillmesh/channel-kit';
import {
  type Authenticity,
  type ClientAction,
  type DeclineReason,
  isAuthentic,
  type Outcome,
  unknownOutcome,
} from '@tillmesh/domain';
import { type Answer, errorIn } from './client.ts';
import { classify, declineReasonOf, type StripeOperation } from './code-table.ts';
import { isLive, type StripeAccount } from './config.ts';
import { moneyIn } from './money.ts';
import { detailsOfIntent } from './payment-details.ts';

/** Where our order number stands in the metadata of an intent. */
export const ORDER_NO = 'order_no';

const INTENT_ID = /^pi_[0-9A-Za-z_]{1,60}$/;

/** Whether a text is Stripe's id of an intent. */
export const isIntentId = (text: string): boolean => INTENT_ID.test(text);

/** Whether an object was made by this account's kind of key: real money or test money. */
export const isOurMode = (content: JsonObject, account: StripeAccount): boolean =>
  content['livemode'] === isLive(account);

/** What Stripe says of an intent. */
export type ToldIntent = ToldSuccess & {
  readonly id: string;
  readonly status: string;
  /** Why the last try to pay it failed, where a bank has said so. */
  readonly declined: DeclineReason | undefined;
  readonly details: ToldDetails;
};

/** Reads an intent; undefined where the object is none. @param paidAtMs where the object itself does not say when it was paid. */
export const toldIntent = (content: JsonObject, account: StripeAccount, paidAtMs?: number): ToldIntent | undefined => {
  const id = textAt(content, 'id') ?? '';
  const status = textAt(content, 'status');
  if (textAt(content, 'object') !== 'payment_intent' || !isIntentId(id) || status === undefined) return undefined;
  const chargedAtS = wholeNumberAt(content, 'latest_charge', 'created');
  const received = moneyIn(content, 'amount_received');
  return {
    id,
    status,
    declined: declineReasonOf(
      textAt(content, 'last_payment_error', 'code') ?? '',
      textAt(content, 'last_payment_error', 'decline_code') ?? '',
    ),
    channelOrderNo: textAt(content, 'metadata', ORDER_NO),
    paid: received,
    channelTransactionId: id,
    paidAtMs: chargedAtS === undefined ? paidAtMs : chargedAtS * 1_000,
    isOurs: isOurMode(content, account),
    details: detailsOfIntent(content),
  };
};

/** True where an intent is of the order that was asked about. */
export const isOfOrder = (told: ToldIntent, order: Pick<OrderRef, 'channelOrderNo'>): boolean =>
  told.isOurs && told.channelOrderNo === order.channelOrderNo;

/** An intent that is over. One that we canceled because a bank had declined it says so, whoever tells of it first: answer or webhook. */
export const canceledOutcome = (told: ToldIntent, ruleId: string, authenticity: Authenticity): Outcome => {
  const outcome = outcomeOfEnd({ ruleId, closed: true }, { isOurs: told.isOurs }, authenticity);
  return outcome.kind === 'failed_definite' && told.declined !== undefined
    ? { ...outcome, reason: told.declined }
    : outcome;
};

const outcomeOf = (told: ToldIntent, order: OrderRef, facts: CallFacts): Outcome => {
  const authenticity = authenticityOf(facts);
  if (told.status === 'succeeded') return outcomeOfSuccess(told, order, authenticity ?? 'absent');
  if (!isAuthentic(authenticity) || !isOfOrder(told, order)) {
    return unknownOutcome('an answer that is not vouched for or speaks of another order');
  }
  switch (told.status) {
    case 'processing':
      return { kind: 'processing' };
    // The payer has to act, a card has failed, or there is nothing to pay with yet: open, and nothing was taken.
    case 'requires_action':
    case 'requires_payment_method':
    case 'requires_confirmation':
      return { kind: 'pending_payer' };
    case 'canceled':
      return canceledOutcome(told, 'stripe.query.status.canceled', authenticity ?? 'absent');
    // requires_capture among them: we never ask for money to be held.
    default:
      return unknownOutcome(`status ${told.status}`);
  }
};

/** The report of an answer that shows an intent. */
export const intentReport = (
  told: ToldIntent,
  order: OrderRef,
  facts: CallFacts,
  more: { readonly action?: ClientAction | undefined; readonly queryNow?: boolean } = {},
): AttemptReport => {
  const outcome = outcomeOf(told, order, facts);
  return attemptReport(facts, outcome, {
    channelState: told.status,
    channelTransactionId: told.id,
    details: readDetails(outcome, told.details),
    ...more,
  });
};

/** The report of an answer that is an error, or that cannot be read. */
export const refusalReport = (answer: Answer, operation: StripeOperation): AttemptReport => {
  const error = errorIn(answer);
  const { facts, trust } = answer;
  if (error === undefined) return attemptReport(facts, unknownOutcome(`HTTP ${facts.httpStatus} that cannot be read`));
  const { type, code, declineCode, message, intent } = error;
  const told = {
    code: code === '' ? type : code,
    subCode: declineCode,
    message,
    state: textAt(intent, 'status') ?? '',
  };
  const report = codeReport(facts, classify({ operation, type, code, trust }), told);
  // An intent that is left behind can still be paid, whatever the code says.
  return intent !== undefined && report.outcome.kind === 'failed_definite'
    ? { ...report, outcome: unknownOutcome(`${told.code} that leaves an intent behind`), ruleId: '', queryNow: true }
    : report;
};
