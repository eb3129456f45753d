import {
  attemptReport,
  type CallFacts,
  fromBeijingText,
  type NotificationAnswer,
  type NotificationRefusal,
  type NotificationReport,
  outcomeOfSuccess,
  type RawNotification,
  readDetails,
  utf8TextOf,
} from '@tillmesh/channel-kit';
import { parseForm } from './acp-form.ts';
import { verifyTold } from './certificate.ts';
import type { UnionpayCall } from './client.ts';
import { toldPayment } from './payment.ts';
import { detailsOfOrder } from './payment-details.ts';

const answer = (status: number, text: string): NotificationAnswer => ({
  status,
  contentType: 'text/plain; charset=utf-8',
  body: Buffer.from(text, 'utf8'),
});
// Any 200 ends UnionPay's tries.
const OK = answer(200, 'ok');
const RETRY = answer(500, 'fail');

const refused = (refusal: NotificationRefusal): NotificationReport => ({
  kind: 'refused',
  refusal,
  answerRetry: RETRY,
});

const DAY_MS = 86_400_000;
const FACTS: CallFacts = { transport: 'answered', signature: 'verified', host: '', sends: 0, httpStatus: 0 };

/** Reads a notification of a payment. Of a refund UnionPay is asked. */
export const parseNotification = ({ body }: RawNotification, { account, clock }: UnionpayCall): NotificationReport => {
  const fields = parseForm(utf8TextOf(body) ?? '');
  if (fields === undefined || fields['orderId'] === undefined) return refused('unreadable');
  const signature = verifyTold(fields, account, clock.nowMs());
  if (signature === 'absent') return refused('no_signature');
  if (signature !== 'verified') return refused('bad_signature');
  if (fields['merId'] !== account.merId) return refused('foreign_account');
  const orderedAtMs = fromBeijingText(fields['txnTime'] ?? '');
  // Nothing in it says when it was sent. An order is paid within two hours, and its news does not come a day later.
  if (orderedAtMs === undefined || Math.abs(clock.nowMs() - orderedAtMs) > DAY_MS) return refused('stale');
  const told = toldPayment(fields, account);
  const isPayment = fields['txnType'] === '01' && fields['respCode'] === '00';
  const outcome = outcomeOfSuccess(told, undefined, signature);
  const report = attemptReport(FACTS, outcome, {
    channelCode: fields['respCode'] ?? '',
    channelTransactionId: told.channelTransactionId ?? '',
    details: readDetails(outcome, detailsOfOrder(fields)),
  });
  return {
    kind: 'news',
    dedupeKey: `unionpay:${fields['merId']}:${fields['txnType']}:${fields['orderId']}:${fields['queryId'] ?? ''}:${fields['respCode'] ?? ''}`,
    payments: isPayment ? [{ channelOrderNo: fields['orderId'], report }] : [],
    refunds: [],
    answerOk: OK,
    answerRetry: RETRY,
  };
};
