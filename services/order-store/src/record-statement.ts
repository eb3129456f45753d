import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import {
  type AttemptNo,
  assertNever,
  type ChannelTransactionId,
  definiteFailure,
  type PersonStatement,
  type StatedItem,
} from '@tillmesh/domain';
import { type OrderGroups, STATEMENTS_MAX } from '@tillmesh/order-groups';
import type {
  RecordStatementRequest,
  RecordStatementResponseSchema,
} from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { OutcomeKind } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { rpcErrors } from '@tillmesh/rpc';
import { orderNoOf } from './order-ref.ts';

/** What a person settled and what a channel settled bear different codes. */
const CODE = 'person';
const RULE_ID_CHARACTERS_MAX = 128;
/** Clocks of two organisations differ. */
const FUTURE_MS_MAX = 5 * 60_000;
/** Should somebody have to look once more: a person's word leaves nothing open as a rule. */
const NEXT_CHECK_AFTER_MS = 60_000;

type Answer = MessageInitShape<typeof RecordStatementResponseSchema>;

const statementOf = (request: RecordStatementRequest, nowMs: number): PersonStatement => {
  const person = request.person.trim();
  if (person === '') throw rpcErrors.requestInvalid('person has to name who says so');
  const { channelTransactionId } = request;
  if (request.outcome === OutcomeKind.FAILED_DEFINITE) {
    if (channelTransactionId !== '' || request.happenedAt !== undefined)
      throw rpcErrors.requestInvalid('money that did not move has no channel_transaction_id and no happened_at');
    return { person, outcome: 'failed_definite', channelTransactionId: '', happenedAtMs: undefined };
  }
  if (channelTransactionId === '' || request.happenedAt === undefined)
    throw rpcErrors.requestInvalid('money that moved needs channel_transaction_id and happened_at');
  const happenedAtMs = timestampMs(request.happenedAt);
  if (happenedAtMs > nowMs + FUTURE_MS_MAX) throw rpcErrors.requestInvalid('happened_at lies in the future');
  return {
    person,
    outcome: 'succeeded',
    channelTransactionId: channelTransactionId as ChannelTransactionId,
    happenedAtMs,
  };
};

const itemOf = async (orders: OrderGroups, { item }: RecordStatementRequest): Promise<StatedItem> => {
  switch (item.case) {
    case 'attempt':
      return { kind: 'attempt', orderNo: orderNoOf(item.value.orderNo), attemptNo: item.value.attemptNo as AttemptNo };
    case 'refundNo': {
      const stored = await orders.refunds.read(orderNoOf(item.value));
      if (stored === undefined) throw rpcErrors.refundUnknown('no such refund');
      return { kind: 'refund', orderNo: stored.refund.orderNo, refundNo: stored.refund.refundNo };
    }
    case undefined:
      throw rpcErrors.requestInvalid('the request names no attempt and no refund');
    default:
      return assertNever(item);
  }
};

type Settling = {
  readonly orders: OrderGroups;
  readonly statement: PersonStatement;
  readonly persons: readonly string[];
  readonly source: string;
};

const settlePayment = async (
  { orderNo, attemptNo }: Extract<StatedItem, { kind: 'attempt' }>,
  { orders, statement, persons, source }: Settling,
): Promise<Answer> => {
  const read = await orders.payments.read(orderNo);
  if (read === undefined) throw rpcErrors.paymentUnknown('no such payment');
  const { channelTransactionId, happenedAtMs } = statement;
  const applied = await orders.payments.apply(orderNo, {
    attemptNo,
    outcome:
      channelTransactionId === '' || happenedAtMs === undefined
        ? definiteFailure(
            {
              transport: 'answered',
              signature: 'absent',
              ruleId: `persons:${persons.join('+')}`.slice(0, RULE_ID_CHARACTERS_MAX),
            },
            'other',
          )
        : { kind: 'succeeded', paid: read.stored.payment.amount, channelTransactionId, paidAtMs: happenedAtMs },
    learnedBy: 'person',
    channelCode: CODE,
    action: undefined,
    nextAttempt: undefined,
    nextCheckAfterMs: NEXT_CHECK_AFTER_MS,
    source,
  });
  if (applied === undefined) throw rpcErrors.paymentUnknown('no such payment');
  const { state, needsPerson } = applied.stored.payment;
  return { changed: applied.changed, note: `the payment is ${state}${needsPerson === '' ? '' : `; ${needsPerson}`}` };
};

const settleRefund = async (
  { refundNo }: Extract<StatedItem, { kind: 'refund' }>,
  { orders, statement, source }: Settling,
): Promise<Answer> => {
  const applied = await orders.refunds.apply(refundNo, {
    news: { state: statement.outcome === 'succeeded' ? 'succeeded' : 'failed', refunded: undefined },
    learnedBy: 'person',
    channelRefundId: statement.channelTransactionId,
    channelCode: CODE,
    nextCheckAfterMs: NEXT_CHECK_AFTER_MS,
    source,
  });
  if (applied === undefined) throw rpcErrors.refundUnknown('no such refund');
  const { refund, needsPerson } = applied.stored;
  return {
    changed: applied.changed,
    note: `the refund is ${refund.state}${needsPerson === '' ? '' : `; ${needsPerson}`}`,
  };
};

/**
 * Writes a person's word down and, once two agree, lets it settle the payment or the refund. What was agreed upon is applied
 * whenever the words are said again, so that a crash between the two loses nothing.
 *
 * @param source the service that was told.
 */
export const recordStatement = async (
  orders: OrderGroups,
  request: RecordStatementRequest,
  { clock, source }: { readonly clock: Clock; readonly source: string },
): Promise<Answer> => {
  const statement = statementOf(request, clock.nowMs());
  const item = await itemOf(orders, request);
  const stated = await orders.statements.state(item, statement, request.evidence, source);
  switch (stated.kind) {
    case 'unknown_item':
      throw rpcErrors.paymentUnknown('no such payment, or it has no such attempt');
    case 'too_many':
      throw rpcErrors.requestInvalid(
        `${STATEMENTS_MAX} statements about it are enough: those who spoke have to agree by other means`,
      );
    case 'stated':
      break;
    default:
      return assertNever(stated);
  }
  const { agreement } = stated;
  switch (agreement.kind) {
    case 'awaits_second':
      return { awaitsSecondPerson: true, note: 'written down; another person has to say the same' };
    case 'contradicted':
      return {
        contradictingPersons: [...agreement.persons],
        note: 'written down; their latest words differ, so nothing is settled',
      };
    case 'agreed': {
      const settling = { orders, statement: agreement.statement, persons: agreement.persons, source };
      return item.kind === 'attempt' ? settlePayment(item, settling) : settleRefund(item, settling);
    }
    default:
      return assertNever(agreement);
  }
};
