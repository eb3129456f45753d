import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { DetailField } from '@tillmesh/domain';
import {
  type AttemptResultSchema,
  type CloseResultSchema,
  type HttpAnswerSchema,
  type ParseNotificationResponseSchema,
  type PollPlanSchema,
  type RefundResultSchema,
  CloseEnd as WireCloseEnd,
  NotificationRefusal as WireRefusal,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { SignatureState } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { attemptResultToWire, kindMap, moneyToWire, refundStateMap, signatureMap, transportMap } from '@tillmesh/wire';
import type {
  AttemptReport,
  CallFacts,
  CloseEnd,
  CloseReport,
  NotificationAnswer,
  NotificationRefusal,
  NotificationReport,
  PollPlan,
  RefundReport,
} from './channel.ts';
import { queryTellsMore } from './payment-details.ts';

const CODE_CHARACTERS_MAX = 64;
const MESSAGE_CHARACTERS_MAX = 255;

/** A channel's text without what does harm in logs and on screens, cut to a length. */
export const printable = (text: string, charactersMax: number): string =>
  // Channels' texts go into logs and onto screens: no line breaks, no control characters.
  text.replace(/\p{Cc}+/gu, ' ').slice(0, charactersMax);

const factsToWire = (facts: CallFacts) => ({
  transport: transportMap.toWire(facts.transport),
  signature: facts.signature === undefined ? SignatureState.UNSPECIFIED : signatureMap.toWire(facts.signature),
});

/** The channel's own words; where it said nothing, why the outcome is unknown. */
const messageOf = ({ channelMessage, outcome }: AttemptReport): string =>
  channelMessage === '' && outcome.kind === 'unknown' ? outcome.cause : channelMessage;

/** A report about an attempt, for the wire. @param queryTells what a query tells of the details; empty for what a query told. */
export const attemptReportToWire = (
  report: AttemptReport,
  queryTells: readonly DetailField[] = [],
): MessageInitShape<typeof AttemptResultSchema> =>
  attemptResultToWire(report.outcome, {
    ...factsToWire(report.facts),
    vouchedByConnection: report.facts.vouched === true,
    host: report.facts.host,
    sends: report.facts.sends,
    httpStatus: report.facts.httpStatus,
    channelCode: printable(report.channelCode, CODE_CHARACTERS_MAX),
    channelSubCode: printable(report.channelSubCode, CODE_CHARACTERS_MAX),
    channelMessage: printable(messageOf(report), MESSAGE_CHARACTERS_MAX),
    channelState: printable(report.channelState, CODE_CHARACTERS_MAX),
    channelTransactionId: printable(report.channelTransactionId, CODE_CHARACTERS_MAX),
    action: report.action,
    configAlarm: report.configAlarm,
    orderNotFound: report.orderNotFound,
    queryNow: report.queryNow,
    details: report.details?.details,
    queryTellsMore: queryTellsMore(report.details, queryTells),
  });

const END_TO_WIRE: Readonly<Record<CloseEnd, WireCloseEnd>> = {
  undecided: WireCloseEnd.UNDECIDED,
  closed: WireCloseEnd.CLOSED,
  refunded: WireCloseEnd.REFUNDED,
  already_paid: WireCloseEnd.ALREADY_PAID,
  payer_paying: WireCloseEnd.PAYER_PAYING,
};

/** What a close or a reverse came to, for the wire. */
export const closeReportToWire = (report: CloseReport): MessageInitShape<typeof CloseResultSchema> => ({
  end: END_TO_WIRE[report.end],
  repeat: report.repeat,
  seen: attemptReportToWire(report.seen),
});

/** A report about a refund, for the wire. */
export const refundReportToWire = (report: RefundReport): MessageInitShape<typeof RefundResultSchema> => ({
  ...factsToWire(report.facts),
  state: refundStateMap.toWire(report.state),
  channelRefundId: printable(report.channelRefundId, CODE_CHARACTERS_MAX),
  channelCode: printable(report.channelCode, CODE_CHARACTERS_MAX),
  channelMessage: printable(report.channelMessage, MESSAGE_CHARACTERS_MAX),
  ruleId: report.ruleId,
  refundNotFound: report.refundNotFound,
  ...(report.refunded === undefined ? {} : { refunded: moneyToWire(report.refunded) }),
});

const REFUSAL_TO_WIRE: Readonly<Record<NotificationRefusal, WireRefusal>> = {
  bad_signature: WireRefusal.BAD_SIGNATURE,
  no_signature: WireRefusal.NO_SIGNATURE,
  stale: WireRefusal.STALE,
  unreadable: WireRefusal.UNREADABLE,
  foreign_account: WireRefusal.FOREIGN_ACCOUNT,
  probe: WireRefusal.PROBE,
};

const answerToWire = (answer: NotificationAnswer): MessageInitShape<typeof HttpAnswerSchema> => ({
  status: answer.status,
  contentType: answer.contentType,
  body: new Uint8Array(answer.body),
});

/** What a notification is, for the wire. */
export const notificationToWire = (
  report: NotificationReport,
  queryTells: readonly DetailField[] = [],
): MessageInitShape<typeof ParseNotificationResponseSchema> =>
  report.kind === 'refused'
    ? { refusal: REFUSAL_TO_WIRE[report.refusal], answerRetry: answerToWire(report.answerRetry) }
    : {
        dedupeKey: report.dedupeKey,
        payments: report.payments.map(({ channelOrderNo, report: payment }) => ({
          channelOrderNo,
          result: attemptReportToWire(payment, queryTells),
        })),
        refunds: report.refunds.map(({ refundNo, report: refund }) => ({
          refundNo,
          result: refundReportToWire(refund),
        })),
        answerOk: answerToWire(report.answerOk),
        answerRetry: answerToWire(report.answerRetry),
      };

/** A poll plan, for the wire. */
export const pollPlanToWire = (plan: PollPlan): MessageInitShape<typeof PollPlanSchema> => ({
  kind: kindMap.toWire(plan.kind),
  firstAfter: durationFromMs(plan.firstAfterMs),
  step: durationFromMs(plan.stepMs),
  stepMax: durationFromMs(plan.stepMaxMs),
  giveUpAfter: durationFromMs(plan.giveUpAfterMs),
  endByReverse: plan.endByReverse,
  notFoundFinalAfter: durationFromMs(plan.notFoundFinalAfterMs),
});
