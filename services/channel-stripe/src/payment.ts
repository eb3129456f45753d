import {
  type AttemptReport,
  attemptReport,
  type CloseReport,
  type JsonObject,
  type OrderRef,
  outcomeOfEnd,
  type PaymentRequest,
  textAt,
  unanswered,
  unansweredPayment,
} from '@tillmesh/channel-kit';
import { type ClientAction, definiteFailure, type PaymentKind, unknownOutcome, type Wallet } from '@tillmesh/domain';
import { rpcErrors } from '@tillmesh/rpc';
import { type Answer, type Answered, callStripe, errorIn, isVouchedSuccess, type StripeCall } from './client.ts';
import { classify, declineReasonOf } from './code-table.ts';
import { findIntent, rememberIntent } from './find-intent.ts';
import type { Params } from './form.ts';
import { intentReport, isIntentId, isOfOrder, ORDER_NO, refusalReport, type ToldIntent, toldIntent } from './intent.ts';
import { hasStripesUnit } from './money.ts';
import { notFoundFinalAtMs } from './poll-plans.ts';

type Method = 'card' | 'wechat_pay' | 'alipay';

/** What this adapter takes at Stripe: whose money, in which way, by which of Stripe's methods. */
const METHODS: readonly (readonly [kind: PaymentKind, wallet: Wallet, method: Method])[] = [
  ['merchant_qr', 'wechat', 'wechat_pay'],
  ['pc_redirect', 'alipay', 'alipay'],
  ['h5', 'alipay', 'alipay'],
  ['card', 'card', 'card'],
];

const unsupported = (what: string) =>
  rpcErrors.operationNotSupported(what, { metadata: { channel_id: 'stripe', operation: 'CreatePayment' } });

const methodOf = ({ kind, wallet }: OrderRef): Method => {
  const found = METHODS.find((row) => row[0] === kind && (wallet === undefined || row[1] === wallet));
  if (found === undefined) throw unsupported(`Stripe takes no ${wallet ?? 'money'} by ${kind}`);
  return found[2];
};

const PAYMENT_METHOD = /^pm_[0-9A-Za-z_]{1,64}$/;

/** What the payer pays with. */
const payerParams = (method: Method, { payerId }: PaymentRequest, returnUrl: string): Params => {
  switch (method) {
    case 'wechat_pay':
      return { payment_method_data: { type: method }, payment_method_options: { wechat_pay: { client: 'web' } } };
    case 'alipay':
      return { payment_method_data: { type: method }, return_url: returnUrl };
    case 'card': {
      const paymentMethod = payerId.reveal();
      if (!PAYMENT_METHOD.test(paymentMethod)) {
        const description = "has to be the card as Stripe's id of a payment method, pm_...";
        throw rpcErrors.requestInvalid(`payer_id ${description}`, {
          violations: [{ field: 'payer_id', description, reason: 'channel' }],
        });
      }
      return { payment_method: paymentMethod, return_url: returnUrl };
    }
  }
};

const QR_CODE = /^[!-~]{8,512}$/;
const REDIRECT_URL = /^https:\/\/[!-~]{4,2040}$/;

/** What the payer's device has to do next; undefined where the intent does not say it in the way that its method has. */
const actionIn = (content: JsonObject, method: Method): ClientAction | undefined => {
  if (method === 'wechat_pay') {
    const qrCode = textAt(content, 'next_action', 'wechat_pay_display_qr_code', 'data');
    return qrCode !== undefined && QR_CODE.test(qrCode) ? { kind: 'qr_code', qrCode } : undefined;
  }
  const name = method === 'alipay' ? 'alipay_handle_redirect' : 'redirect_to_url';
  const redirectUrl = textAt(content, 'next_action', name, 'url');
  return redirectUrl !== undefined && REDIRECT_URL.test(redirectUrl)
    ? { kind: 'redirect', url: redirectUrl }
    : undefined;
};

/** A key is kept for a day at least; well before that a repeat could become a second payment (docs.stripe.com, idempotent requests). */
const KEY_SAFE_FOR_MS = 23 * 3_600_000;

const cancelIntent = (id: string, order: OrderRef, call: StripeCall): Promise<Answered> =>
  callStripe(call, {
    method: 'POST',
    path: `/v1/payment_intents/${id}/cancel`,
    pathTemplate: '/v1/payment_intents/{id}/cancel',
    params: {},
    // One key for each try at one moment: an answer that is given again would speak of the state of then.
    idempotencyKey: `${order.channelOrderNo}-cancel-${call.random.hex(8)}`,
  });

const canceledIn = (answer: Answered, order: OrderRef, call: StripeCall): ToldIntent | undefined => {
  if (answer.kind === 'unanswered' || !isVouchedSuccess(answer)) return undefined;
  const told = toldIntent(answer.content, call.account);
  return told !== undefined && told.status === 'canceled' && isOfOrder(told, order) ? told : undefined;
};

/**
 * A bank that said no leaves the intent open for another card. So it is canceled, and only that proves that nothing can be taken
 * any more under this attempt.
 */
const endDeclined = async (answer: Answer, order: OrderRef, call: StripeCall): Promise<AttemptReport | undefined> => {
  const error = errorIn(answer);
  const { facts, trust } = answer;
  if (error === undefined || facts.httpStatus !== 402 || error.type !== 'card_error' || trust.vouched !== true) {
    return undefined;
  }
  const { code, declineCode, intent, message } = error;
  const reason = declineReasonOf(code, declineCode);
  const told = intent === undefined ? undefined : toldIntent(intent, call.account);
  if (reason === undefined || told === undefined || !isOfOrder(told, order)) return undefined;
  const details = {
    ruleId: classify({ operation: 'create', type: error.type, code, trust }).ruleId,
    channelCode: code,
    channelSubCode: declineCode,
    channelMessage: message,
    channelTransactionId: told.id,
  };
  rememberIntent(call.account, told);
  const canceled = canceledIn(await cancelIntent(told.id, order, call), order, call);
  if (canceled === undefined) {
    const outcome = unknownOutcome(`${code}, and the intent could not be canceled`);
    return attemptReport(facts, outcome, { ...details, channelState: told.status, queryNow: true });
  }
  const evidence = { transport: 'answered', signature: 'absent', ruleId: details.ruleId } as const;
  return attemptReport(facts, definiteFailure(evidence, reason), { ...details, channelState: canceled.status });
};

/**
 * Creates and confirms an intent in one request. Its Idempotency-Key follows from our order number, and every parameter from
 * the request: the same request again is the same intent, whatever became of the first one's answer. A code or an address to show
 * comes out of an answer that is vouched for alone: one that somebody else made could make the payer pay somebody else.
 */
export const createPayment = async (request: PaymentRequest, call: StripeCall): Promise<AttemptReport> => {
  const { order } = request;
  const { account, clock } = call;
  const method = methodOf(order);
  if (!hasStripesUnit(order.amount)) throw unsupported(`amounts in ${order.amount.currency} are not taken at Stripe`);
  const params: Params = {
    amount: order.amount.minorUnits,
    currency: order.amount.currency.toLowerCase(),
    confirm: true,
    allowed_payment_method_types: [method],
    ...payerParams(method, request, account.returnUrl),
    description: request.subject,
    metadata: {
      [ORDER_NO]: order.channelOrderNo,
      terminal_id: request.terminalId === '' ? undefined : request.terminalId,
      store_id: request.storeId === '' ? undefined : request.storeId,
    },
    expand: ['latest_charge'],
  };
  if (clock.nowMs() - order.createdAtMs > KEY_SAFE_FOR_MS) return askOrder(order, call);
  const answer = await callStripe(call, {
    method: 'POST',
    path: '/v1/payment_intents',
    pathTemplate: '/v1/payment_intents',
    params,
    idempotencyKey: `${order.channelOrderNo}-create`,
  });
  if (answer.kind === 'unanswered') return unansweredPayment(answer.facts, answer.cause);
  const declined = await endDeclined(answer, order, call);
  if (declined !== undefined) return declined;
  const { facts, content, replayed } = answer;
  if (facts.httpStatus !== 200 || content === undefined) return refusalReport(answer, 'create');
  const told = toldIntent(content, account);
  if (told === undefined) {
    return attemptReport(facts, unknownOutcome('an intent was created, but its answer cannot be read'));
  }
  if (!isVouchedSuccess(answer) || !isOfOrder(told, order)) {
    return attemptReport(facts, unknownOutcome('an intent was created, but its answer is not vouched for'), {
      channelState: told.status,
    });
  }
  rememberIntent(account, told);
  if (told.status !== 'requires_action') return intentReport(told, order, facts, { queryNow: replayed });
  const action = actionIn(content, method);
  return action === undefined
    ? attemptReport(facts, unknownOutcome('an intent was created, but what its payer has to do cannot be read'), {
        channelState: told.status,
        channelTransactionId: told.id,
      })
    : intentReport(told, order, facts, { action, queryNow: replayed });
};

/** Asks how an order stands. */
export const askOrder = async (order: OrderRef, call: StripeCall): Promise<AttemptReport> => {
  const found = await findIntent(order, call);
  switch (found.kind) {
    case 'found':
      return intentReport(found.told, order, found.facts);
    case 'none':
      return attemptReport(found.facts, unknownOutcome('Stripe has no such intent'), { orderNotFound: true });
    case 'unclear':
      return found.report;
  }
};

const undecided = (seen: AttemptReport): CloseReport => ({ end: 'undecided', repeat: true, seen });

const OPEN: ReadonlySet<string> = new Set(['requires_action', 'requires_payment_method', 'requires_confirmation']);

/** Cancels an order that is proved to be unpaid. Stripe refuses to cancel what was paid between the look and the cancel. */
export const closeOrder = async (order: OrderRef, call: StripeCall): Promise<CloseReport> => {
  const found = await findIntent(order, call);
  if (found.kind === 'unclear') return undecided(found.report);
  if (found.kind === 'none') {
    const report = attemptReport(found.facts, unknownOutcome('Stripe does not know the order yet'), {
      orderNotFound: true,
    });
    if (call.clock.nowMs() < notFoundFinalAtMs(order)) return undecided(report);
    const end = { ruleId: 'stripe.close.unknown_order', closed: true };
    return {
      end: 'closed',
      repeat: false,
      seen: { ...report, outcome: outcomeOfEnd(end, { isOurs: true }, 'vouched') },
    };
  }
  const { told, facts } = found;
  const look = intentReport(told, order, facts);
  if (look.outcome.kind === 'succeeded') return { end: 'already_paid', repeat: false, seen: look };
  if (look.outcome.kind === 'failed_definite') return { end: 'closed', repeat: false, seen: look };
  if (look.outcome.kind !== 'pending_payer' || !OPEN.has(told.status) || !isIntentId(told.id)) return undecided(look);

  const answer = await cancelIntent(told.id, order, call);
  if (answer.kind === 'unanswered') return undecided(unanswered(answer.facts, answer.cause));
  const canceled = canceledIn(answer, order, call);
  if (canceled === undefined) {
    if (answer.facts.httpStatus !== 200) return undecided(refusalReport(answer, 'cancel'));
    return undecided(attemptReport(answer.facts, unknownOutcome('a cancel whose answer is not vouched for')));
  }
  const end = { ruleId: 'stripe.cancel.canceled', closed: true };
  const seen = attemptReport(answer.facts, outcomeOfEnd(end, { isOurs: true }, 'vouched'), {
    channelState: canceled.status,
    channelTransactionId: canceled.id,
  });
  return { end: 'closed', repeat: false, seen };
};
