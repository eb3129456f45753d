import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  type Authenticity,
  assertNever,
  type ChannelTransactionId,
  type ClientAction,
  type DefiniteEvidence,
  definiteFailure,
  isAuthentic,
  type Outcome,
  type PaymentDetails,
  unknownOutcome,
} from '@tillmesh/domain';
import {
  type AttemptResult,
  type AttemptResultSchema,
  CloseEnd,
  type CloseResult,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { OutcomeKind } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { declineReasonMap, outcomeKindMap, signatureMap, transportMap } from './enums.ts';
import { moneyFromWire, moneyToWire } from './money.ts';
import { actionToWire } from './payment.ts';
import { detailsToWire } from './payment-details.ts';

/** What is known of a call to a channel beside its outcome. */
export type AttemptFacts = Omit<
  MessageInitShape<typeof AttemptResultSchema>,
  '$typeName' | 'outcome' | 'paid' | 'paidAt' | 'ruleId' | 'action' | 'declineReason' | 'closed' | 'details'
> & {
  readonly action?: ClientAction | undefined;
  /** Sent with a success alone, and so is `queryTellsMore`. */
  readonly details?: PaymentDetails | undefined;
};

/** An adapter's result for the wire. Transport and signature of a definite failure come from its evidence. */
export const attemptResultToWire = (
  outcome: Outcome,
  facts: AttemptFacts = {},
): MessageInitShape<typeof AttemptResultSchema> => {
  const { action, details, queryTellsMore = false, ...plain } = facts;
  const base = {
    ...plain,
    outcome: outcomeKindMap.toWire(outcome.kind),
    ...(action === undefined ? {} : { action: actionToWire(action) }),
  };
  switch (outcome.kind) {
    case 'succeeded':
      return {
        ...base,
        channelTransactionId: outcome.channelTransactionId,
        paid: moneyToWire(outcome.paid),
        paidAt: timestampFromMs(outcome.paidAtMs),
        queryTellsMore,
        ...(details === undefined ? {} : { details: detailsToWire(details, outcome) }),
      };
    case 'failed_definite': {
      const { evidence } = outcome;
      return {
        ...base,
        transport: transportMap.toWire(evidence.transport),
        ...(evidence.transport === 'answered'
          ? { ruleId: evidence.ruleId, signature: signatureMap.toWire(evidence.signature) }
          : {}),
        declineReason: declineReasonMap.toWire(outcome.reason),
        closed: outcome.closed,
      };
    }
    case 'pending_payer':
    case 'processing':
      return base;
    case 'unknown':
      return { ...base, channelMessage: plain.channelMessage ?? outcome.cause.slice(0, 255) };
    default:
      return assertNever(outcome);
  }
};

/** How far an adapter says that an answer is authentic; undefined without an answer. */
export const authenticityOf = (
  result: Pick<AttemptResult, 'signature' | 'vouchedByConnection'>,
): Authenticity | undefined => {
  const signature = signatureMap.fromWire(result.signature);
  return signature === 'absent' && result.vouchedByConnection ? 'vouched' : signature;
};

const evidenceOf = (result: AttemptResult): DefiniteEvidence | undefined => {
  const transport = transportMap.fromWire(result.transport);
  const signature = signatureMap.fromWire(result.signature);
  if (transport === 'not_sent') return { transport };
  const authentic = signature === 'verified' || signature === 'absent';
  return transport === 'answered' && authentic && result.ruleId !== ''
    ? { transport, signature, ruleId: result.ruleId }
    : undefined;
};

/**
 * What an adapter's result proves. The wire carries claims; this is where they are believed or not: a success that is not authentic, without
 * amount, transaction and time, or a definite failure without evidence, is unknown.
 */
export const outcomeFromWire = (result: AttemptResult | undefined): Outcome => {
  if (result === undefined) return unknownOutcome('no result');
  switch (result.outcome) {
    case OutcomeKind.SUCCEEDED: {
      const paid = moneyFromWire(result.paid);
      if (
        !isAuthentic(authenticityOf(result)) ||
        paid === undefined ||
        result.paidAt === undefined ||
        result.channelTransactionId === ''
      ) {
        return unknownOutcome('a success that is not verified or lacks amount, time or transaction');
      }
      return {
        kind: 'succeeded',
        paid,
        channelTransactionId: result.channelTransactionId as ChannelTransactionId,
        paidAtMs: timestampMs(result.paidAt),
      };
    }
    case OutcomeKind.FAILED_DEFINITE: {
      const evidence = evidenceOf(result);
      return evidence === undefined
        ? unknownOutcome('a definite failure without evidence')
        : definiteFailure(evidence, declineReasonMap.fromWire(result.declineReason) ?? 'other', {
            closed: result.closed,
          });
    }
    case OutcomeKind.PENDING_PAYER:
      return { kind: 'pending_payer' };
    case OutcomeKind.PROCESSING:
      return { kind: 'processing' };
    case OutcomeKind.UNKNOWN:
    case OutcomeKind.UNSPECIFIED:
    default:
      return unknownOutcome(result.channelMessage);
  }
};

/**
 * What a close or a reverse says of its attempt, as news to apply. Closed, or paid and given back by the channel itself: no money is
 * left, verified. Everything else is what the answer said of the order.
 */
export const attemptResultOfClose = (
  result: CloseResult | undefined,
): MessageInitShape<typeof AttemptResultSchema> | undefined => {
  const seen = result?.seen;
  if (result === undefined || seen === undefined) return undefined;
  const ended = result.end === CloseEnd.CLOSED || result.end === CloseEnd.REFUNDED;
  // An end beside a success contradicts itself: the success is applied, and the money is accounted for.
  if (!ended || seen.outcome === OutcomeKind.SUCCEEDED || !isAuthentic(authenticityOf(seen))) return seen;
  return {
    ...seen,
    outcome: OutcomeKind.FAILED_DEFINITE,
    transport: transportMap.toWire('answered'),
    ruleId: seen.ruleId === '' ? `close:${result.end === CloseEnd.CLOSED ? 'closed' : 'refunded'}` : seen.ruleId,
    declineReason: declineReasonMap.toWire('payer_cancelled'),
    closed: true,
  };
};
