import {
  type AttemptReport,
  attemptReport,
  type CallFacts,
  fromBeijingText,
  type NotificationAnswer,
  type NotificationRefusal,
  type NotificationReport,
  outcomeOfEnd,
  outcomeOfSuccess,
  type RawNotification,
  readDetails,
  utf8TextOf,
} from '@tillmesh/channel-kit';
import { type Outcome, unknownOutcome } from '@tillmesh/domain';
import type { AlipayCall } from './client.ts';
import { type AlipayAccount, alipayKeysOf } from './config.ts';
import { detailsOfTrade } from './payment-details.ts';
import { type AlipayParams, verifyNotification } from './signature.ts';
import { toldTrade } from './trade.ts';

const FIELDS_MAX = 200;
// Alipay repeats for about 25 hours, and no source says that it signs a new time each time.
const AGE_MS_MAX = 26 * 3_600_000;
const AHEAD_MS_MAX = 300_000;

// Exactly "success" ends the repeats; anything else asks for another.
const answer = (status: number, body: 'success' | 'fail'): NotificationAnswer => ({
  status,
  contentType: 'text/plain',
  body: Buffer.from(body),
});
const ANSWER_OK = answer(200, 'success');
const ANSWER_RETRY = answer(500, 'fail');

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
  answerRetry: answer(STATUS_OF_REFUSAL[refusal], 'fail'),
});

/** The fields of a form, decoded once; undefined where one stands twice or where the bytes are no text. */
export const parseForm = (body: Uint8Array): AlipayParams | undefined => {
  const text = utf8TextOf(body);
  if (text === undefined) return undefined;
  const params: Record<string, string> = {};
  let count = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    count += 1;
    if (Object.hasOwn(params, name) || count > FIELDS_MAX) return undefined;
    Object.defineProperty(params, name, { value, enumerable: true });
  }
  return params;
};

const VERIFIED: CallFacts = { transport: 'answered', signature: 'verified', host: '', sends: 0, httpStatus: 0 };

const outcomeOf = (params: AlipayParams, account: AlipayAccount): Outcome | undefined => {
  const status = params['trade_status'] ?? '';
  switch (status) {
    case 'TRADE_SUCCESS':
    case 'TRADE_FINISHED':
      return outcomeOfSuccess(toldTrade(params, account, 'gmt_payment'), undefined, 'verified');
    case 'WAIT_BUYER_PAY':
      return { kind: 'pending_payer' };
    case 'TRADE_CLOSED':
      // After a payment it is the end of a full refund, and no news of the payment.
      return [params['gmt_payment'], params['gmt_refund']].every((time = '') => time === '')
        ? outcomeOfEnd({ ruleId: 'alipay.notification.TRADE_CLOSED', closed: true }, { isOurs: true }, 'verified')
        : undefined;
    default:
      return unknownOutcome(`trade_status ${status}`);
  }
};

const paymentOf = (params: AlipayParams, outcome: Outcome): AttemptReport =>
  attemptReport(VERIFIED, outcome, {
    channelState: params['trade_status'] ?? '',
    channelTransactionId: params['trade_no'] ?? '',
    details: readDetails(outcome, detailsOfTrade(params)),
  });

/** Verifies and reads a notification: signature, time, account, content, in this order. */
export const parseNotification = (notification: RawNotification, call: AlipayCall): NotificationReport => {
  const { account, clock } = call;
  const params = parseForm(notification.body);
  if (params === undefined) return refused('unreadable');
  const signature = verifyNotification(params, alipayKeysOf(account));
  if (signature === 'absent') return refused('no_signature');
  if (signature === 'invalid') return refused('bad_signature');

  const sentAtMs = fromBeijingText(params['notify_time'] ?? '');
  if (sentAtMs === undefined) return refused('unreadable');
  const ageMs = clock.nowMs() - sentAtMs;
  if (ageMs > AGE_MS_MAX || ageMs < -AHEAD_MS_MAX) return refused('stale');
  if (params['app_id'] !== account.appId || params['seller_id'] !== account.sellerId) return refused('foreign_account');

  const { notify_id: notifyId = '', out_trade_no: channelOrderNo = '' } = params;
  if (notifyId === '' || channelOrderNo === '') return refused('unreadable');
  const outcome = outcomeOf(params, account);
  return {
    kind: 'news',
    dedupeKey: notifyId,
    payments: outcome === undefined ? [] : [{ channelOrderNo, report: paymentOf(params, outcome) }],
    refunds: [],
    answerOk: ANSWER_OK,
    answerRetry: ANSWER_RETRY,
  };
};
