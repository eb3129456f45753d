import { durationFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import type { AttemptResult } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { type Attempt, AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { OutcomeKind } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { persistently, type RpcClient } from '@tillmesh/rpc';
import { counter } from '@tillmesh/telemetry';
import { channelOrderOf, outcomeFromWire } from '@tillmesh/wire';
import type { Channels } from './channels.ts';
import type { Checked } from './check-payment.ts';

const queries = counter(
  'tillmesh_payment_details_queries_total',
  'Queries that complete the details of paid payments.',
  ['channel', 'end'],
);

/** Between a look that told nothing and the next one at least; doubled by the time since the payment. */
export const DETAILS_STEP_MS = 10_000;
/** A channel that has told nothing until then is not asked again: six looks at most. */
export const DETAILS_GIVE_UP_AFTER_MS = 300_000;

/** When to ask again for details that a query did not tell; undefined: no more. @param sinceMs since the payment was paid. */
export const nextDetailsLook = (sinceMs: number): number | undefined =>
  sinceMs >= DETAILS_GIVE_UP_AFTER_MS ? undefined : Math.max(DETAILS_STEP_MS, sinceMs);

/** The attempt whose money paid for a payment; undefined where it is not paid. */
export const paidAttemptOf = (payment: Payment): Attempt | undefined =>
  payment.state === PaymentState.SUCCEEDED
    ? payment.attempts.find(({ state }) => state === AttemptState.SUCCEEDED)
    : undefined;

/**
 * Asks the channel once more about a payment that is paid and lacks details. What is not a success is not applied: how the payment
 * stands is known, and a query for details changes nothing of it.
 */
export const createDetailsCompleter = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly channels: Channels;
  readonly apply: (payment: Payment, attempt: Attempt, result: AttemptResult, nextAfterMs: number) => Promise<Payment>;
  readonly clock: Clock;
}): ((payment: Payment, attempt: Attempt) => Promise<Checked>) => {
  const { orderStore, channels, apply, clock } = deps;

  const ask = async (payment: Payment, attempt: Attempt): Promise<AttemptResult | undefined> => {
    const channel = channels.find(attempt.channelId);
    if (channel === undefined) return undefined;
    try {
      const { result } = await channel.client.queryPayment(
        { order: channelOrderOf(payment, attempt) },
        { passage: channel.lanes.query, priority: 'query', merchant: payment.merchantId },
      );
      return result;
    } catch {
      // The channel is away: the next look, or none, is the answer to that.
      return undefined;
    }
  };

  return async (payment, attempt) => {
    const seen = await ask(payment, attempt);
    const told = seen?.outcome === OutcomeKind.SUCCEEDED && outcomeFromWire(seen).kind === 'succeeded';
    if (seen !== undefined && told) {
      await apply(payment, attempt, seen, DETAILS_STEP_MS);
      queries.add({ channel: attempt.channelId, end: 'told' });
      return { settled: true, nextAfterMs: undefined, note: 'details: told', forDetails: true };
    }
    const sinceMs = attempt.settledAt === undefined ? 0 : clock.nowMs() - timestampMs(attempt.settledAt);
    const nextAfterMs = nextDetailsLook(sinceMs);
    if (nextAfterMs !== undefined) {
      queries.add({ channel: attempt.channelId, end: 'again' });
      return { settled: false, nextAfterMs, note: 'details: not told', forDetails: true };
    }
    await persistently(
      () =>
        orderStore.scheduleCheck({
          item: { case: 'orderNo', value: payment.orderNo },
          nextCheckAfter: durationFromMs(0),
          stop: true,
        }),
      clock,
    );
    queries.add({ channel: attempt.channelId, end: 'given_up' });
    return { settled: true, nextAfterMs: undefined, note: 'details: not told in time', forDetails: true };
  };
};
