import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import type { CreateRefundRequest } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { type RefundResult, RefundResultSchema } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type {
  CreateRefundResponse,
  OrderStoreService,
} from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { LearnedBy, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type Refund, RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { persistently, type RpcClient, RpcError, remainingMs, rpcErrors, toRpcError } from '@tillmesh/rpc';
import { annotate, counter, errorTypeOf, type Log } from '@tillmesh/telemetry';
import { channelOrderOf } from '@tillmesh/wire';
import type { Channels } from './channels.ts';
import type { CheckLater } from './check-later.ts';
import { type RefundRefusal, type RefundRules, ruleOnRefund } from './refund-rules.ts';

const CHECK_AFTER_CRASH_MS = 10_000;
/** Wallets ask for at least a moment between a refund and its first query. */
const CHECK_REFUND_AFTER_MS = 5_000;
const APPLY_RESERVE_MS = 2_500;
const CHANNEL_MS_MAX = 15_000;

const refusals = counter('tillmesh_refunds_not_allowed_total', 'Refunds that who asked for may not make.', ['why']);

const MESSAGES: Record<RefundRefusal, string> = {
  another_day: 'a terminal gives money back on the day of the payment alone',
  another_terminal: 'a terminal gives back what it took itself, and this one did not take the payment',
  says_not_who: 'this merchant’s refunds have to say which terminal asks, or that the back office allows it',
};
const WHAT_NEXT =
  'nothing was changed: refund at the terminal that took it on that day, or set back_office_allows once the merchant’s back office has allowed it';

/** Gives money back: the amount is reserved first, then the channel is asked, under a number that every repeat carries. */
export const createRefunder = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly channels: Channels;
  readonly checkLater: CheckLater;
  readonly rules: () => RefundRules;
  readonly notifyBaseUrl: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}): ((request: CreateRefundRequest) => Promise<Refund>) => {
  const { orderStore, channels, checkLater, rules, notifyBaseUrl, clock, log } = deps;

  const askChannel = async (created: CreateRefundResponse): Promise<RefundResult> => {
    const { payment, attempt, refund } = created;
    const unknown = (code: string): RefundResult =>
      create(RefundResultSchema, {
        state: RefundState.UNKNOWN,
        transport: Transport.MAYBE_SENT,
        channelCode: code.slice(0, 64),
      });
    if (payment === undefined || attempt === undefined || refund?.amount === undefined) return unknown('INCOMPLETE');
    try {
      const channel = channels.of(attempt.channelId);
      const { result } = await channel.client.createRefund(
        {
          order: channelOrderOf(payment, attempt),
          refundNo: refund.refundNo,
          amount: refund.amount,
          reason: refund.reason,
          notifyUrl:
            notifyBaseUrl === undefined ? '' : `${notifyBaseUrl}/notify/${attempt.channelId}/${attempt.accountId}`,
        },
        {
          passage: channel.lanes.refund,
          capMs: Math.min(CHANNEL_MS_MAX, remainingMs(clock) - APPLY_RESERVE_MS),
          priority: 'refund',
          merchant: payment.merchantId,
        },
      );
      return result ?? unknown('NO_RESULT');
    } catch (error) {
      // Sent or not, the syncer asks, and sends it again under the same number where the channel does not know it.
      return unknown(errorTypeOf(error));
    }
  };

  /** A repeat gets its answer also when the day is over meanwhile, or the rules have changed. */
  const isRepeat = async ({ orderNo }: Payment, merchantRefundNo: string): Promise<boolean> => {
    try {
      await persistently(
        () => orderStore.getRefund({ ref: { case: 'orderRefund', value: { orderNo, merchantRefundNo } } }),
        clock,
      );
      return true;
    } catch (error) {
      if (error instanceof RpcError && error.reason === 'REFUND_UNKNOWN') return false;
      throw error;
    }
  };

  /**
   * On whose word the money goes back; empty where nobody was named.
   *
   * @throws {RpcError} REFUND_NOT_ALLOWED
   */
  const demandWord = async (request: CreateRefundRequest, payment: Payment): Promise<string> => {
    // What is not paid is refused for that.
    if (payment.state !== PaymentState.SUCCEEDED) return '';
    const takenAt = payment.paidAt ?? payment.createdAt;
    const ruling = ruleOnRefund(
      rules(),
      {
        merchantId: payment.merchantId,
        terminalId: request.terminalId,
        backOfficeAllows: request.backOfficeAllows,
        takenBy: payment.terminalId,
        takenAtMs: takenAt === undefined ? clock.nowMs() : timestampMs(takenAt),
      },
      clock.nowMs(),
    );
    if (ruling.kind === 'allowed') return ruling.by;
    if (await isRepeat(payment, request.merchantRefundNo)) return '';
    const { why, takenOn, timeZone } = ruling;
    refusals.add({ why });
    throw rpcErrors.refundNotAllowed(`${MESSAGES[why]}; ${WHAT_NEXT}`, {
      metadata: { why, taken_on: takenOn, time_zone: timeZone, terminal_id: payment.terminalId },
    });
  };

  return async (request) => {
    if (request.payment === undefined) throw rpcErrors.requestInvalid('the request names no payment');
    if (request.amount?.minorUnits === 0n) throw rpcErrors.amountZero('a refund needs at least one minor unit');
    const ref = request.payment;
    const { payment } = await persistently(() => orderStore.getOrder({ payment: ref }), clock);
    if (payment === undefined) throw rpcErrors.internal('the order store answered without a payment');
    annotate({ 'tillmesh.order_no': payment.orderNo, 'tillmesh.merchant_id': payment.merchantId });
    const allowedBy = await demandWord(request, payment);
    const created = await persistently(
      () =>
        orderStore.createRefund({
          orderNo: payment.orderNo,
          merchantRefundNo: request.merchantRefundNo,
          ...(request.amount === undefined ? {} : { amount: request.amount }),
          reason: request.reason,
          allowedBy,
          firstCheckAfter: durationFromMs(CHECK_AFTER_CRASH_MS),
        }),
      clock,
    );
    const { refund } = created;
    if (refund === undefined) throw rpcErrors.internal('the order store answered without a refund');
    annotate({ 'tillmesh.refund_no': refund.refundNo });
    if (!created.created) return refund;
    const result = await askChannel(created);
    try {
      const applied = await persistently(
        () =>
          orderStore.applyRefundResult({
            refundNo: refund.refundNo,
            result,
            learnedBy: LearnedBy.ANSWER,
            nextCheckAfter: durationFromMs(CHECK_REFUND_AFTER_MS),
          }),
        clock,
      );
      const now = applied.refund ?? refund;
      if (now.settledAt === undefined) checkLater.refund(refund.refundNo, CHECK_REFUND_AFTER_MS);
      return now;
    } catch (error) {
      log.error(
        { err: toRpcError(error), refundNo: refund.refundNo },
        'an answer about a refund could not be written down; the syncer will ask again',
      );
      checkLater.refund(refund.refundNo, CHECK_REFUND_AFTER_MS);
      return refund;
    }
  };
};
