import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { parseChannelOrderNo, parseOrderNo } from '@tillmesh/domain';
import type {
  ChannelService,
  NotifiedPayment,
  NotifiedRefund,
  ParseNotificationResponse,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { NotificationRefusal } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { LearnedBy } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { type Clients, type Passage, persistently, type RpcClient, RpcError } from '@tillmesh/rpc';
import { annotate, counter, type Log } from '@tillmesh/telemetry';

/** A notification as it came in. */
export type RawNotification = {
  readonly channelId: string;
  readonly accountId: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly body: Uint8Array;
};

/** What to send back, byte for byte. */
export type Acknowledgement = { readonly status: number; readonly contentType: string; readonly body: Uint8Array };

const notifications = counter('tillmesh_notifications_total', 'Notifications of channels, by what became of them.', [
  'channel',
  'account',
  'end',
]);

const NEXT_CHECK_AFTER_MS = 5_000;

const REFUSALS: ReadonlyMap<NotificationRefusal, string> = new Map([
  [NotificationRefusal.BAD_SIGNATURE, 'bad_signature'],
  [NotificationRefusal.NO_SIGNATURE, 'no_signature'],
  [NotificationRefusal.STALE, 'stale'],
  [NotificationRefusal.UNREADABLE, 'unreadable'],
  [NotificationRefusal.FOREIGN_ACCOUNT, 'foreign_account'],
  [NotificationRefusal.PROBE, 'probe'],
]);

const plain = (status: number, text: string): Acknowledgement => ({
  status,
  contentType: 'text/plain; charset=utf-8',
  body: new TextEncoder().encode(text),
});

type Answer = ParseNotificationResponse['answerOk'];
const acknowledgement = (answer: Answer, otherwise: Acknowledgement): Acknowledgement =>
  answer === undefined ? otherwise : { status: answer.status, contentType: answer.contentType, body: answer.body };

/** News that speaks of an order that is not ours, or not of this account. */
class ForeignOrder extends Error {
  override readonly name = 'ForeignOrder';
}

/**
 * Verifies a notification with the channel's adapter, applies what it says, and only then acknowledges it: a channel repeats
 * what is not acknowledged, so nothing is lost when anything on the way fails.
 */
export const createNotificationApplier = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly channels: Clients<typeof ChannelService>;
  readonly laneOf: (channelId: string) => Passage;
  readonly clock: Clock;
  readonly log: Log;
}): ((raw: RawNotification) => Promise<Acknowledgement>) => {
  const { orderStore, channels, laneOf, clock, log } = deps;

  const applyPayment = async ({ channelOrderNo, result }: NotifiedPayment, accountId: string): Promise<void> => {
    const named = parseChannelOrderNo(channelOrderNo);
    if (named === undefined || result === undefined) throw new ForeignOrder('its number is none of ours');
    const { orderNo, attemptNo } = named;
    annotate({ 'tillmesh.order_no': orderNo, 'tillmesh.attempt_no': attemptNo });
    const { payment } = await persistently(
      () => orderStore.getOrder({ payment: { ref: { case: 'orderNo', value: orderNo } } }),
      clock,
    );
    const attempt = payment?.attempts.find((candidate) => candidate.attemptNo === attemptNo);
    if (attempt?.accountId !== accountId) throw new ForeignOrder('the attempt was made through another account');
    annotate({ 'tillmesh.merchant_id': payment?.merchantId ?? '' });
    await persistently(
      () =>
        orderStore.applyAttemptResult({
          orderNo,
          attemptNo,
          result,
          learnedBy: LearnedBy.NOTIFICATION,
          nextCheckAfter: durationFromMs(NEXT_CHECK_AFTER_MS),
        }),
      clock,
    );
  };

  const applyRefund = async ({ refundNo, result }: NotifiedRefund, accountId: string): Promise<void> => {
    if (parseOrderNo(refundNo) === undefined || result === undefined)
      throw new ForeignOrder('its refund number is none of ours');
    annotate({ 'tillmesh.refund_no': refundNo });
    const { payment, refund } = await persistently(
      () => orderStore.getRefund({ ref: { case: 'refundNo', value: refundNo } }),
      clock,
    );
    const attempt = payment?.attempts.find((candidate) => candidate.attemptNo === refund?.attemptNo);
    if (attempt?.accountId !== accountId) throw new ForeignOrder('the money was taken through another account');
    await persistently(
      () =>
        orderStore.applyRefundResult({
          refundNo,
          result,
          learnedBy: LearnedBy.NOTIFICATION,
          nextCheckAfter: durationFromMs(NEXT_CHECK_AFTER_MS),
        }),
      clock,
    );
  };

  return async ({ channelId, accountId, headers, body }) => {
    const channel = channels.find(channelId);
    const count = (end: string) => notifications.add({ channel: channelId, account: accountId, end });
    if (channel === undefined) {
      notifications.add({ channel: 'unknown', account: 'unknown', end: 'unknown_channel' });
      return plain(404, 'no such channel\n');
    }
    annotate({ 'tillmesh.channel_id': channelId, 'tillmesh.account_id': accountId });
    let parsed: ParseNotificationResponse | undefined;
    try {
      parsed = await channel.parseNotification(
        { accountId, headers: [...headers], body },
        { passage: laneOf(channelId) },
      );
      const refusal = REFUSALS.get(parsed.refusal);
      if (refusal !== undefined || parsed.refusal !== NotificationRefusal.UNSPECIFIED) {
        count(refusal ?? 'refused');
        annotate({ 'tillmesh.refusal': refusal ?? 'refused' });
        log.warn({ channelId, accountId, refusal }, 'a notification was refused; nothing was applied');
        return acknowledgement(parsed.answerRetry, plain(401, 'refused\n'));
      }
      for (const payment of parsed.payments) await applyPayment(payment, accountId);
      for (const refund of parsed.refunds) await applyRefund(refund, accountId);
      count('applied');
      return acknowledgement(parsed.answerOk, plain(200, 'ok\n'));
    } catch (error) {
      const foreign = error instanceof ForeignOrder || (error instanceof RpcError && UNKNOWN_HERE.has(error.reason));
      count(foreign ? 'foreign_order' : 'failed');
      // Kept by the channel, which sends it again; an authentic one about an order that nobody here knows is somebody's money.
      log.error({ channelId, accountId, err: error, foreign }, 'a notification could not be applied');
      return acknowledgement(parsed?.answerRetry, plain(foreign ? 404 : 503, 'not applied\n'));
    }
  };
};

const UNKNOWN_HERE: ReadonlySet<string> = new Set(['PAYMENT_UNKNOWN', 'REFUND_UNKNOWN', 'ACCOUNT_UNKNOWN']);
