import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { type AttemptResult, AttemptResultSchema } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { LearnedBy } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import {
  type Payment,
  PaymentKind,
  type PaymentRef,
  PaymentState,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { persistently, type RpcClient, RpcError, rpcErrors, toRpcError } from '@tillmesh/rpc';
import { annotate, type Log } from '@tillmesh/telemetry';
import { attemptResultOfClose, channelOrderOf, liveAttemptOf } from '@tillmesh/wire';
import { FIRST_CHECK_AFTER_MS } from './carry-payment.ts';
import type { Channels } from './channels.ts';
import type { CheckLater } from './check-later.ts';

/** Closes what is not paid; what is paid stays paid. */
export const createPaymentCloser = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly channels: Channels;
  readonly checkLater: CheckLater;
  readonly clock: Clock;
  readonly log: Log;
}): ((ref: PaymentRef | undefined) => Promise<Payment>) => {
  const { orderStore, channels, checkLater, clock, log } = deps;

  /** Asks the channel to close, or only how it stands where closing could give back what was paid. Undefined where it did not answer. */
  const askChannel = async (payment: Payment): Promise<AttemptResult | undefined> => {
    const attempt = liveAttemptOf(payment);
    if (attempt === undefined) return undefined;
    const order = channelOrderOf(payment, attempt);
    try {
      const channel = channels.of(attempt.channelId);
      // A payment code is closed by a reverse, which gives back what was paid a moment ago: a caller's close must not do
      // that (T11). Such a payment closes by itself when its code has expired; here it is only asked for.
      if (payment.kind === PaymentKind.PAYMENT_CODE) {
        const { result } = await channel.client.queryPayment({ order }, { passage: channel.lanes.query, capMs: 8_000 });
        return result;
      }
      const { result } = await channel.client.closePayment({ order }, { passage: channel.lanes.query, capMs: 8_000 });
      const news = attemptResultOfClose(result);
      return news === undefined ? undefined : create(AttemptResultSchema, news);
    } catch (error) {
      log.warn({ err: toRpcError(error), orderNo: payment.orderNo }, 'the channel could not be asked to close');
      return undefined;
    }
  };

  /** Closes what no channel has. Somebody may continue it in that moment: what it is then is the answer. */
  const closeHere = async (payment: Payment): Promise<Payment> => {
    const { orderNo } = payment;
    try {
      const closed = await persistently(
        () => orderStore.closeOrder({ orderNo, reason: 'closed by the merchant' }),
        clock,
      );
      return closed.payment ?? payment;
    } catch (error) {
      if (!(error instanceof RpcError) || error.reason !== 'PAYMENT_STATE') throw error;
      const now = await orderStore.getOrder({ payment: { ref: { case: 'orderNo', value: orderNo } } });
      return now.payment ?? payment;
    }
  };

  return async (ref) => {
    if (ref === undefined) throw rpcErrors.requestInvalid('the request names no payment');
    const { payment } = await persistently(() => orderStore.getOrder({ payment: ref }), clock);
    if (payment === undefined) throw rpcErrors.internal('the order store answered without a payment');
    annotate({ 'tillmesh.order_no': payment.orderNo, 'tillmesh.merchant_id': payment.merchantId });
    const attempt = liveAttemptOf(payment);
    if (payment.state === PaymentState.DECLINED || (payment.state === PaymentState.PAYING && attempt === undefined)) {
      return closeHere(payment);
    }
    if (payment.state !== PaymentState.PAYING || attempt === undefined) return payment;
    const result = await askChannel(payment);
    // It may close in a moment, or be paid: the syncer looks soon.
    checkLater.payment(payment.orderNo, FIRST_CHECK_AFTER_MS);
    if (result === undefined) return payment;
    const applied = await persistently(
      () =>
        orderStore.applyAttemptResult({
          orderNo: payment.orderNo,
          attemptNo: attempt.attemptNo,
          result,
          learnedBy: LearnedBy.QUERY,
          nextCheckAfter: durationFromMs(FIRST_CHECK_AFTER_MS),
        }),
      clock,
    );
    return applied.payment ?? payment;
  };
};
