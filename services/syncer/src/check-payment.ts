import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { isAuthentic } from '@tillmesh/domain';
import { type AttemptResult, AttemptResultSchema } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { Attempt } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { LearnedBy, OutcomeKind, SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import {
  DeclineReason,
  type Payment,
  PaymentKind,
  PaymentState,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { persistently, type RpcClient } from '@tillmesh/rpc';
import { annotate, errorTypeOf } from '@tillmesh/telemetry';
import {
  attemptResultOfClose,
  attemptStateMap,
  authenticityOf,
  channelOrderOf,
  liveAttemptOf,
  outcomeFromWire,
} from '@tillmesh/wire';
import type { Channel, Channels } from './channels.ts';
import { createDetailsCompleter, paidAttemptOf } from './complete-details.ts';
import { decideNextStep, type NextStep } from './decide-next-step.ts';

/** What a check came to. */
export type Checked = {
  /** Nothing is left to check. */
  readonly settled: boolean;
  /** When to look again; undefined when settled. */
  readonly nextAfterMs: number | undefined;
  /** For a person: what was asked and what was answered. */
  readonly note: string;
  /** The payment is paid; only what is told of it was open. Nobody is called for that. */
  readonly forDetails?: boolean;
};

const AGAIN_AFTER_FAILURE_MS = 5_000;
/** A payment that the store still moves along, after this check. */
const AGAIN_SOON_MS = 1_000;

const settledWith = (note: string): Checked => ({ settled: true, nextAfterMs: undefined, note });
const againAfter = (nextAfterMs: number, note: string): Checked => ({ settled: false, nextAfterMs, note });

/** The channel has no such order and none can be on its way: as news to apply. */
const neverArrived = (seen: AttemptResult): AttemptResult =>
  create(AttemptResultSchema, {
    outcome: OutcomeKind.FAILED_DEFINITE,
    transport: Transport.ANSWERED,
    signature: SignatureState.VERIFIED,
    ruleId: 'syncer:never_arrived',
    channelCode: seen.channelCode,
    declineReason: DeclineReason.CHANNEL_UNREACHABLE,
    closed: true,
  });

/** Looks at one payment and drives it as far as its channel lets it. `hasNextLook`: its row says that it is to be looked at. */
export const createPaymentChecker = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly channels: Channels;
  readonly clock: Clock;
}): ((payment: Payment, checkCount: number, hasNextLook: boolean) => Promise<Checked>) => {
  const { orderStore, channels, clock } = deps;

  const apply = async (
    payment: Payment,
    attempt: Attempt,
    result: AttemptResult,
    nextAfterMs: number,
  ): Promise<Payment> => {
    const applied = await persistently(
      () =>
        orderStore.applyAttemptResult({
          orderNo: payment.orderNo,
          attemptNo: attempt.attemptNo,
          result,
          learnedBy: LearnedBy.QUERY,
          nextCheckAfter: durationFromMs(nextAfterMs),
        }),
      clock,
    );
    return applied.payment ?? payment;
  };

  const end = async (
    channel: Channel,
    payment: Payment,
    attempt: Attempt,
    by: 'reverse' | 'close',
  ): Promise<AttemptResult | undefined> => {
    const order = channelOrderOf(payment, attempt);
    const options = { passage: channel.lanes.query };
    const { result } =
      by === 'reverse'
        ? await channel.client.reversePayment({ order }, options)
        : await channel.client.closePayment({ order }, options);
    const news = attemptResultOfClose(result);
    return news === undefined ? undefined : create(AttemptResultSchema, news);
  };

  const next = async (
    channel: Channel,
    payment: Payment,
    attempt: Attempt,
    seen: AttemptResult,
    checkCount: number,
  ): Promise<NextStep> => {
    const plan = await channel.planFor(payment.kind);
    return decideNextStep({
      nowMs: clock.nowMs(),
      attemptStartedAtMs: attempt.startedAt === undefined ? clock.nowMs() : timestampMs(attempt.startedAt),
      paymentExpireAtMs: payment.expireAt === undefined ? clock.nowMs() : timestampMs(payment.expireAt),
      isPaymentCode: payment.kind === PaymentKind.PAYMENT_CODE,
      checkCount,
      orderNotFound: seen.orderNotFound,
      answered: seen.transport === Transport.ANSWERED && isAuthentic(authenticityOf(seen)),
      plan,
    });
  };

  const checkLive = async (payment: Payment, attempt: Attempt, checkCount: number): Promise<Checked> => {
    const channel = channels.find(attempt.channelId);
    if (channel === undefined) return againAfter(60_000, `no adapter is configured for channel ${attempt.channelId}`);
    const { result: seen } = await channel.client.queryPayment(
      { order: channelOrderOf(payment, attempt) },
      { passage: channel.lanes.query, priority: 'query', merchant: payment.merchantId },
    );
    if (seen === undefined) return againAfter(AGAIN_AFTER_FAILURE_MS, 'the adapter answered without a result');
    const outcome = outcomeFromWire(seen);
    const word = seen.channelState || seen.channelSubCode || seen.channelCode || outcome.kind;
    annotate({ 'tillmesh.outcome': outcome.kind, 'tillmesh.channel_code': word });
    if (outcome.kind === 'succeeded' || outcome.kind === 'failed_definite') {
      return conclude(await apply(payment, attempt, seen, AGAIN_SOON_MS), `query: ${word}`);
    }
    const step = await next(channel, payment, attempt, seen, checkCount);
    switch (step.kind) {
      case 'never_arrived':
        return conclude(
          await apply(payment, attempt, neverArrived(seen), AGAIN_SOON_MS),
          `query: ${word}; it never arrived`,
        );
      case 'end': {
        const ended = await end(channel, payment, attempt, step.by);
        const note = `query: ${word}; ${step.by}: ${ended === undefined ? 'no answer' : outcomeFromWire(ended).kind}`;
        if (ended === undefined) return againAfter(AGAIN_AFTER_FAILURE_MS, note);
        return conclude(await apply(payment, attempt, ended, AGAIN_AFTER_FAILURE_MS), note);
      }
      case 'wait': {
        // Told even when nothing moved: the row's own time of the next look has to move.
        const now = await apply(payment, attempt, seen, step.afterMs);
        return {
          ...conclude(now, `query: ${word}`),
          ...(now.state === PaymentState.PAYING ? { nextAfterMs: step.afterMs } : {}),
        };
      }
    }
  };

  const conclude = (payment: Payment, note: string): Checked => {
    const open = liveAttemptOf(payment) !== undefined || payment.state === PaymentState.PAYING;
    if (open) return againAfter(AGAIN_AFTER_FAILURE_MS, note);
    if (payment.state !== PaymentState.DECLINED) return settledWith(note);
    const expiresInMs = payment.expireAt === undefined ? 0 : timestampMs(payment.expireAt) - clock.nowMs();
    return againAfter(Math.max(AGAIN_SOON_MS, expiresInMs), note);
  };

  const completeDetails = createDetailsCompleter({ orderStore, channels, apply, clock });

  return async (payment, checkCount, hasNextLook) => {
    const attempt = liveAttemptOf(payment);
    annotate({ 'tillmesh.order_no': payment.orderNo, 'tillmesh.merchant_id': payment.merchantId });
    if (attempt !== undefined) {
      annotate({
        'tillmesh.channel_id': attempt.channelId,
        'tillmesh.account_id': attempt.accountId,
        'tillmesh.attempt_no': attempt.attemptNo,
      });
      try {
        return await checkLive(payment, attempt, checkCount);
      } catch (error) {
        return againAfter(
          AGAIN_AFTER_FAILURE_MS,
          `could not be checked while ${attemptStateMap.fromWire(attempt.state)}: ${errorTypeOf(error)}`,
        );
      }
    }
    const paidBy = paidAttemptOf(payment);
    // A paid payment has a next look only where a query tells more of it than is known.
    if (paidBy !== undefined && hasNextLook) return completeDetails(payment, paidBy);
    const expired = payment.expireAt !== undefined && timestampMs(payment.expireAt) <= clock.nowMs();
    if (payment.state === PaymentState.DECLINED && expired) {
      const closed = await orderStore.closeOrder({ orderNo: payment.orderNo, reason: 'expired' });
      return conclude(closed.payment ?? payment, 'expired without another payment code');
    }
    return conclude(payment, 'nothing is open at a channel');
  };
};
