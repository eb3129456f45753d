import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import type { RefundResult } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { LearnedBy } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import type { Payment } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type Refund, RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { persistently, type RpcClient } from '@tillmesh/rpc';
import { annotate, errorTypeOf } from '@tillmesh/telemetry';
import { channelOrderOf, refundStateMap } from '@tillmesh/wire';
import type { Channels } from './channels.ts';
import type { Checked } from './check-payment.ts';

const FIRST_STEP_MS = 5_000;
const STEP_MS_MAX = 300_000;
const DOUBLE_EVERY_CHECKS = 5;

const FINAL: ReadonlySet<RefundState> = new Set([RefundState.SUCCEEDED, RefundState.FAILED]);

/** Looks at one refund; one that its channel does not know is sent again, under the same number. */
export const createRefundChecker = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly channels: Channels;
  readonly clock: Clock;
}): ((refund: Refund, payment: Payment, checkCount: number) => Promise<Checked>) => {
  const { orderStore, channels, clock } = deps;

  return async (refund, payment, checkCount) => {
    annotate({
      'tillmesh.order_no': refund.orderNo,
      'tillmesh.refund_no': refund.refundNo,
      'tillmesh.merchant_id': refund.merchantId,
    });
    if (FINAL.has(refund.state)) return { settled: true, nextAfterMs: undefined, note: 'nothing is open' };
    const stepMs = Math.min(FIRST_STEP_MS * 2 ** Math.floor(checkCount / DOUBLE_EVERY_CHECKS), STEP_MS_MAX);
    const again = (note: string): Checked => ({ settled: false, nextAfterMs: stepMs, note });
    const attempt = payment.attempts.find(({ attemptNo }) => attemptNo === refund.attemptNo);
    const channel = attempt === undefined ? undefined : channels.find(attempt.channelId);
    if (attempt === undefined || channel === undefined || refund.amount === undefined) {
      return again('no adapter is configured for the channel that took the money');
    }
    const { amount } = refund;
    const order = channelOrderOf(payment, attempt);
    try {
      const options = { passage: channel.lanes.refund, priority: 'refund' as const, merchant: refund.merchantId };
      let { result } = await channel.client.queryRefund({ order, refundNo: refund.refundNo, amount }, options);
      let note = `query: ${describe(result)}`;
      if (result?.refundNotFound === true) {
        // The same number: the channel gives the money back once however often it is told.
        ({ result } = await channel.client.createRefund(
          { order, refundNo: refund.refundNo, amount, reason: refund.reason },
          options,
        ));
        note = `${note}; sent again: ${describe(result)}`;
      }
      if (result === undefined) return again('the adapter answered without a result');
      const news = result;
      const applied = await persistently(
        () =>
          orderStore.applyRefundResult({
            refundNo: refund.refundNo,
            result: news,
            learnedBy: LearnedBy.QUERY,
            nextCheckAfter: durationFromMs(stepMs),
          }),
        clock,
      );
      const state = applied.refund?.state ?? refund.state;
      return FINAL.has(state) ? { settled: true, nextAfterMs: undefined, note } : again(note);
    } catch (error) {
      return again(`could not be checked: ${errorTypeOf(error)}`);
    }
  };
};

const describe = (result: RefundResult | undefined): string =>
  result === undefined
    ? 'no result'
    : (refundStateMap.fromWire(result.state) ?? 'unknown') +
      (result.channelCode === '' ? '' : ` ${result.channelCode}`);
