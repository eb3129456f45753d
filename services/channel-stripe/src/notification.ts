import {
  attemptReport,
  type CallFacts,
  type JsonObject,
  type NotificationAnswer,
  type NotificationRefusal,
  type NotificationReport,
  objectAt,
  outcomeOfSuccess,
  parseJsonObject,
  type RawNotification,
  readDetails,
  refundReport,
  refundStateOf,
  textAt,
  utf8TextOf,
  wholeNumberAt,
} from '@tillmesh/channel-kit';
import { type Outcome, unknownOutcome } from '@tillmesh/domain';
import type { StripeCall } from './client.ts';
import type { StripeAccount } from './config.ts';
import { canceledOutcome, isOurMode, type ToldIntent, toldIntent } from './intent.ts';
import { moneyIn } from './money.ts';
import { REFUND_NO, refundRuleOf, refundStateOfWord } from './refund.ts';
import { verifyWebhook } from './signature.ts';

const answer = (status: number, text: string): NotificationAnswer => ({
  status,
  contentType: 'application/json',
  body: Buffer.from(JSON.stringify({ [status < 300 ? 'received' : 'error']: status < 300 ? true : text })),
});

// Any 2xx ends the repeats, anything else asks for another over three days.
const ANSWER_OK = answer(200, '');
const ANSWER_RETRY = answer(500, 'not taken over yet');

const STATUS_OF_REFUSAL: Readonly<Record<NotificationRefusal, number>> = {
  bad_signature: 401,
  no_signature: 401,
  stale: 401,
  probe: 401,
  unreadable: 400,
  foreign_account: 403,
};

const refused = (refusal: NotificationRefusal): NotificationReport => ({
  kind: 'refused',
  refusal,
  answerRetry: answer(STATUS_OF_REFUSAL[refusal], refusal),
});

const VERIFIED: CallFacts = { transport: 'answered', signature: 'verified', host: '', sends: 0, httpStatus: 0 };

type News = Pick<Extract<NotificationReport, { kind: 'news' }>, 'payments' | 'refunds'>;

/** An event of which we know nothing to say, such as another program's at the same account: taken, so that it is not repeated. */
const NOTHING: News = { payments: [], refunds: [] };

const outcomeOf = (type: string, told: ToldIntent): Outcome => {
  // An event tells how the intent was when it was written; events come in any order, and an end is final in each of them.
  switch (told.status) {
    case 'succeeded':
      return type === 'payment_intent.succeeded'
        ? outcomeOfSuccess(told, undefined, 'verified')
        : unknownOutcome(`a success in an event ${type}`);
    case 'canceled':
      return canceledOutcome(told, 'stripe.event.status.canceled', 'verified');
    case 'processing':
      return { kind: 'processing' };
    case 'requires_action':
    case 'requires_payment_method':
    case 'requires_confirmation':
      return { kind: 'pending_payer' };
    default:
      return unknownOutcome(`status ${told.status}`);
  }
};

const paymentNews = (
  type: string,
  object: JsonObject,
  createdAtMs: number,
  account: StripeAccount,
): News | undefined => {
  const told = toldIntent(object, account, createdAtMs);
  if (told === undefined) return undefined;
  const { channelOrderNo } = told;
  if (channelOrderNo === undefined) return NOTHING;
  const outcome = outcomeOf(type, told);
  const report = attemptReport(VERIFIED, outcome, {
    channelState: told.status,
    channelTransactionId: told.id,
    details: readDetails(outcome, told.details),
  });
  return { payments: [{ channelOrderNo, report }], refunds: [] };
};

const refundNews = (object: JsonObject): News | undefined => {
  if (textAt(object, 'object') !== 'refund') return undefined;
  const refundNo = textAt(object, 'metadata', REFUND_NO);
  if (refundNo === undefined) return NOTHING;
  const word = textAt(object, 'status');
  const refunded = moneyIn(object, 'amount');
  const state = refundStateOf(refundStateOfWord(word), { refundNo, refunded, isOurs: true }, undefined, 'verified');
  const report = refundReport(VERIFIED, state, {
    ruleId: refundRuleOf(state, word),
    channelRefundId: textAt(object, 'id') ?? '',
    channelCode: word ?? '',
    refunded: state === 'succeeded' || state === 'processing' ? refunded : undefined,
  });
  return { payments: [], refunds: [{ refundNo, report }] };
};

/** Verifies and reads a webhook: signature over the bytes as they came, time, mode, content, in this order. */
export const parseNotification = (notification: RawNotification, call: StripeCall): NotificationReport => {
  const { account, clock } = call;
  const secrets = account.webhookSecretFiles.map((secret) => secret.reveal());
  const header = notification.headers['stripe-signature'] ?? '';
  const signature = verifyWebhook(header, notification.body, secrets, Math.floor(clock.nowMs() / 1_000));
  if (signature === 'absent') return refused('no_signature');
  if (signature === 'invalid') return refused('bad_signature');
  if (signature === 'stale') return refused('stale');

  const event = parseJsonObject(utf8TextOf(notification.body) ?? '');
  const id = textAt(event, 'id') ?? '';
  const type = textAt(event, 'type') ?? '';
  const createdAtS = wholeNumberAt(event, 'created');
  const object = objectAt(event, 'data', 'object');
  if (event === undefined || textAt(event, 'object') !== 'event' || !/^evt_[!-~]{1,60}$/.test(id)) {
    return refused('unreadable');
  }
  if (object === undefined || createdAtS === undefined) return refused('unreadable');
  if (!isOurMode(event, account)) return refused('foreign_account');
  let news: News | undefined = NOTHING;
  if (type.startsWith('payment_intent.')) news = paymentNews(type, object, createdAtS * 1_000, account);
  else if (/^(?:refund\.|charge\.refund\.)/.test(type)) news = refundNews(object);
  if (news === undefined) return refused('unreadable');
  return { kind: 'news', dedupeKey: id, ...news, answerOk: ANSWER_OK, answerRetry: ANSWER_RETRY };
};
