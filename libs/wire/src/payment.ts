import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type Attempt,
  assertNever,
  type ClientAction,
  groupTagOf,
  isVisible,
  type OrderNo,
  type Payment,
  type Refund,
  toChannelOrderNo,
} from '@tillmesh/domain';
import type { AttemptSchema } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { LearnedBy } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import {
  type ClientActionSchema,
  DeclineReason,
  type PaymentSchema,
  PaymentState,
  type ClientAction as WireClientAction,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { RefundSchema } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import {
  attemptStateMap,
  declineReasonMap,
  kindMap,
  learnedByMap,
  paymentStateMap,
  refundCauseMap,
  refundStateMap,
  walletMap,
} from './enums.ts';
import { moneyToWire } from './money.ts';
import { knownDetailsToWire } from './payment-details.ts';

/** What the payer's device has to do, for the wire. */
export const actionToWire = (action: ClientAction): MessageInitShape<typeof ClientActionSchema> => {
  switch (action.kind) {
    case 'qr_code':
      return { action: { case: 'qrCode', value: action.qrCode } };
    case 'jsapi':
      return { action: { case: 'jsapi', value: { parameters: { ...action.parameters } } } };
    case 'redirect':
      return { action: { case: 'redirectUrl', value: action.url } };
    case 'app':
      return { action: { case: 'app', value: { parameters: { ...action.parameters } } } };
    default:
      return assertNever(action);
  }
};

/** What the payer's device has to do; undefined where nothing is. */
export const actionFromWire = (action: WireClientAction | undefined): ClientAction | undefined => {
  switch (action?.action.case) {
    case 'qrCode':
      return { kind: 'qr_code', qrCode: action.action.value };
    case 'jsapi':
      return { kind: 'jsapi', parameters: action.action.value.parameters };
    case 'redirectUrl':
      return { kind: 'redirect', url: action.action.value };
    case 'app':
      return { kind: 'app', parameters: action.action.value.parameters };
    case undefined:
      return undefined;
    default:
      // A newer service may know an action that this version does not: there is none that we could show.
      return undefined;
  }
};

const optionalTime = (ms: number | undefined) => (ms === undefined ? undefined : timestampFromMs(ms));

/** An attempt for the wire. */
export const attemptToWire = (orderNo: OrderNo, attempt: Attempt): MessageInitShape<typeof AttemptSchema> => ({
  attemptNo: attempt.attemptNo,
  accountId: attempt.accountId,
  channelId: attempt.channelId,
  channelOrderNo: toChannelOrderNo(orderNo, attempt.attemptNo),
  channelTransactionId: attempt.channelTransactionId ?? '',
  state: attemptStateMap.toWire(attempt.state),
  channelCode: attempt.channelCode,
  ruleId: attempt.ruleId,
  learnedBy: attempt.learnedBy === undefined ? LearnedBy.UNSPECIFIED : learnedByMap.toWire(attempt.learnedBy),
  startedAt: timestampFromMs(attempt.startedAtMs),
  settledAt: optionalTime(attempt.settledAtMs),
  routeReason: attempt.routeReason,
});

const stateToWire = (state: Payment['state']): PaymentState =>
  // An order that is not bound yet may still become payable; one that is void belongs to another number. Neither is final to a caller.
  isVisible(state) ? paymentStateMap.toWire(state) : PaymentState.PAYING;

/** A payment for the wire. @param options.withDetails who paid and how; never where the message is kept, for the payer's id is encrypted at rest. */
export const paymentToWire = (
  payment: Payment,
  options: {
    readonly traceId: string;
    readonly fromReplica: boolean;
    readonly staleMs?: number | undefined;
    readonly withDetails?: boolean;
  },
): MessageInitShape<typeof PaymentSchema> => ({
  orderNo: payment.orderNo,
  merchantId: payment.merchantId,
  merchantOrderNo: payment.merchantOrderNo,
  amount: moneyToWire(payment.amount),
  kind: kindMap.toWire(payment.kind),
  wallet: walletMap.toWire(payment.wallet),
  state: stateToWire(payment.state),
  subject: payment.subject,
  action: payment.state === 'paying' && payment.action !== undefined ? actionToWire(payment.action) : undefined,
  attempts: payment.attempts.map((attempt) => attemptToWire(payment.orderNo, attempt)),
  learnedBy: payment.learnedBy === undefined ? LearnedBy.UNSPECIFIED : learnedByMap.toWire(payment.learnedBy),
  declineReason:
    payment.declineReason === undefined ? DeclineReason.UNSPECIFIED : declineReasonMap.toWire(payment.declineReason),
  refunded: moneyToWire(payment.refunded),
  createdAt: timestampFromMs(payment.createdAtMs),
  expireAt: timestampFromMs(payment.expireAtMs),
  paidAt: optionalTime(payment.paidAtMs),
  version: payment.version,
  groupTag: groupTagOf(payment.orderNo),
  traceId: options.traceId,
  readFromReplica: options.fromReplica,
  ...(options.fromReplica && options.staleMs !== undefined
    ? { replicaStaleness: durationFromMs(options.staleMs) }
    : {}),
  terminalId: payment.terminalId,
  storeId: payment.storeId,
  needsPerson: payment.needsPerson,
  ...(options.withDetails === true ? { details: knownDetailsToWire(payment) } : {}),
});

/** A refund for the wire. */
export const refundToWire = (refund: Refund, needsPerson = ''): MessageInitShape<typeof RefundSchema> => ({
  needsPerson,
  refundNo: refund.refundNo,
  orderNo: refund.orderNo,
  merchantId: refund.merchantId,
  merchantRefundNo: refund.merchantRefundNo,
  amount: moneyToWire(refund.amount),
  state: refundStateMap.toWire(refund.state),
  cause: refundCauseMap.toWire(refund.cause),
  reason: refund.reason,
  attemptNo: refund.attemptNo,
  channelRefundId: refund.channelRefundId,
  channelCode: refund.channelCode,
  learnedBy: refund.learnedBy === undefined ? LearnedBy.UNSPECIFIED : learnedByMap.toWire(refund.learnedBy),
  createdAt: timestampFromMs(refund.createdAtMs),
  settledAt: optionalTime(refund.settledAtMs),
  version: refund.version,
});
