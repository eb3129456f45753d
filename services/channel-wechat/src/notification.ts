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
} from '@tillmesh/channel-kit';
import { unknownOutcome } from '@tillmesh/domain';
import type { WechatAccount } from './config.ts';
import { isOurMerchant, isOurTransaction } from './merchant-ids.ts';
import { moneyIn, toldTransaction } from './order-payment.ts';
import { refundRuleOf, refundStateOfWord } from './refund.ts';
import { openResource } from './resource.ts';
import { isFresh, v3SignatureHeaders, verifyV3 } from './v3-signature.ts';
import type { WechatCall } from './wechat-call.ts';
import { noteUnknownKey, wechatpayKeysOf } from './wechatpay-keys.ts';

// The HTTP status decides whether WeChat Pay repeats; a body that contradicts it is ignored (community
// 000e4c3d4a83607545eb97f5856c00). It repeats up to 15 times over a day.
const answer = (status: number, code: 'SUCCESS' | 'FAIL', message: string): NotificationAnswer => ({
  status,
  contentType: 'application/json',
  body: Buffer.from(JSON.stringify({ code, message })),
});

const ANSWER_OK = answer(200, 'SUCCESS', 'OK');
const ANSWER_RETRY = answer(500, 'FAIL', 'not taken over yet');

const STATUS_OF_REFUSAL: Readonly<Record<NotificationRefusal, number>> = {
  bad_signature: 401,
  no_signature: 401,
  stale: 401,
  // WeChat Pay sends a wrong signature now and then, to see whether it is accepted; any 4xx or 5xx passes.
  probe: 401,
  unreadable: 400,
  foreign_account: 403,
};

const PROBE = 'WECHATPAY/SIGNTEST/';

const refused = (refusal: NotificationRefusal): NotificationReport => ({
  kind: 'refused',
  refusal,
  answerRetry: answer(STATUS_OF_REFUSAL[refusal], 'FAIL', refusal),
});

const VERIFIED: CallFacts = { transport: 'answered', signature: 'verified', host: '', sends: 0, httpStatus: 0 };

type News = Pick<Extract<NotificationReport, { kind: 'news' }>, 'dedupeKey' | 'payments' | 'refunds'>;

const paymentNews = (eventType: string, content: JsonObject, account: WechatAccount): News | undefined => {
  const told = toldTransaction(content, account);
  const { channelOrderNo, channelTransactionId = '', state = '', stateText } = told;
  if (channelOrderNo === undefined) return undefined;
  const outcome =
    state === 'SUCCESS' ? outcomeOfSuccess(told, undefined, 'verified') : unknownOutcome(`trade_state ${state}`);
  const report = attemptReport(VERIFIED, outcome, {
    channelState: state,
    channelMessage: stateText,
    channelTransactionId,
    details: readDetails(outcome, told.details),
  });
  return {
    dedupeKey: `${eventType}:${channelOrderNo}:${channelTransactionId}`,
    payments: [{ channelOrderNo, report }],
    refunds: [],
  };
};

const refundNews = (eventType: string, content: JsonObject): News | undefined => {
  const refundNo = textAt(content, 'out_refund_no');
  if (refundNo === undefined) return undefined;
  const word = textAt(content, 'refund_status');
  const refunded = moneyIn(content, 'refund');
  const state = refundStateOf(refundStateOfWord(word), { refundNo, refunded, isOurs: true }, undefined, 'verified');
  const channelRefundId = textAt(content, 'refund_id') ?? '';
  const report = refundReport(VERIFIED, state, {
    ruleId: refundRuleOf(state, word),
    channelRefundId,
    channelCode: word ?? '',
    refunded: state === 'succeeded' || state === 'processing' ? refunded : undefined,
  });
  return { dedupeKey: `${eventType}:${refundNo}:${channelRefundId}`, payments: [], refunds: [{ refundNo, report }] };
};

/** True where the content names another merchant (or sub-merchant, or provider), or, for payments, another application. */
const isForeign = (content: JsonObject, isPayment: boolean, account: WechatAccount): boolean =>
  !(isPayment ? isOurTransaction : isOurMerchant)(content, account);

/** Verifies and reads a v3 notification: signature, time, account, content, in this order. */
export const parseNotification = (notification: RawNotification, call: WechatCall): NotificationReport => {
  const { account, clock } = call;
  const headers = v3SignatureHeaders((name) => notification.headers[name] ?? '');
  if (headers.signature === '') return refused('no_signature');
  if (headers.signature.startsWith(PROBE)) return refused('probe');
  const text = utf8TextOf(notification.body);
  if (text === undefined) return refused('unreadable');
  const nowMs = clock.nowMs();
  const keys = wechatpayKeysOf(account, nowMs);
  const fresh = isFresh(headers.timestamp, nowMs);
  // What is of another time is not worth a look for its key.
  if (!keys.has(headers.serial) && !fresh) return refused('stale');
  if (verifyV3(headers, text, keys) !== 'verified') {
    // Nothing can be asked here; WeChat Pay sends it again, first after 15 s.
    noteUnknownKey(headers.serial, account, nowMs);
    return refused('bad_signature');
  }
  if (!fresh) return refused('stale');

  const envelope = parseJsonObject(text);
  const eventType = textAt(envelope, 'event_type') ?? '';
  const isPayment = eventType === 'TRANSACTION.SUCCESS';
  const isRefund = /^REFUND\.(?:SUCCESS|ABNORMAL|CLOSED)$/.test(eventType);
  const resource = objectAt(envelope, 'resource');
  if (resource === undefined || !(isPayment || isRefund)) return refused('unreadable');
  const content = openResource(resource, Buffer.from(account.apiV3KeyFile.reveal(), 'utf8'));
  if (content === undefined) return refused('unreadable');
  if (isForeign(content, isPayment, account)) return refused('foreign_account');
  const news = isPayment ? paymentNews(eventType, content, account) : refundNews(eventType, content);
  if (news === undefined) return refused('unreadable');
  return { kind: 'news', ...news, answerOk: ANSWER_OK, answerRetry: ANSWER_RETRY };
};
