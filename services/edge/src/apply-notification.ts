import { isMessage } from '@bufbuild/protobuf';
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
import type { Payment } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type Clients, type Passage, persistently, type RpcClient, RpcError, rpcErrors } from '@tillmesh/rpc';
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
  answer === undefined || answer.status < 200 || answer.status > 599
    ? otherwise
    : { status: answer.status, contentType: answer.contentType, body: answer.body };

/** News that speaks of an order that is not ours, or not of this account. */
class ForeignOrder extends Error {
  override readonly name = 'ForeignOrder';
}

const UNKNOWN_ORDERS: ReadonlySet<string> = new Set(['PAYMENT_UNKNOWN', 'REFUND_UNKNOWN']);
const isForeign = (error: unknown): boolean =>
  error instanceof ForeignOrder || (error instanceof RpcError && UNKNOWN_ORDERS.has(error.reason));

/**
 * What an adapter says of a notification that nobody can ever read, because of its address or its form. Sent again it would be
 * no better, so its sender is told; anybody can send such a thing, so it is no alarm.
 */
const HOPELESS: ReadonlyMap<string, readonly [status: number, end: string]> = new Map([
  ['ACCOUNT_UNKNOWN', [404, 'unknown_account']],
  ['OPERATION_NOT_SUPPORTED', [404, 'unknown_account']],
  ['REQUEST_INVALID', [400, 'malformed']],
  ['MESSAGE_TOO_LARGE', [413, 'malformed']],
]);

/** Makes sure that the attempt is the one whose account and channel notify. */
const requireOwn = (payment: Payment | undefined, attemptNo: number | undefined, from: Source): void => {
  const attempt = payment?.attempts.find((candidate) => candidate.attemptNo === attemptNo);
  if (attempt === undefined && payment?.readFromReplica === true) {
    throw rpcErrors.dependencyUnavailable("a replica does not show the attempt yet, and the group's primary is away");
  }
  if (attempt?.accountId !== from.accountId || attempt.channelId !== from.channelId)
    throw new ForeignOrder('the attempt was made through another account');
};

type Source = Pick<RawNotification, 'channelId' | 'accountId'>;

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

  const applyPayment = async ({ channelOrderNo, result }: NotifiedPayment, from: Source): Promise<void> => {
    if (result === undefined) throw new TypeError('the adapter tells of a payment and not what became of it');
    const named = parseChannelOrderNo(channelOrderNo);
    if (named === undefined) throw new ForeignOrder('its number is none of ours');
    const { orderNo, attemptNo } = named;
    annotate({ 'tillmesh.order_no': orderNo, 'tillmesh.attempt_no': attemptNo });
    const { payment } = await persistently(
      () => orderStore.getOrder({ payment: { ref: { case: 'orderNo', value: orderNo } } }),
      clock,
    );
    requireOwn(payment, attemptNo, from);
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

  const applyRefund = async ({ refundNo, result }: NotifiedRefund, from: Source): Promise<void> => {
    if (result === undefined) throw new TypeError('the adapter tells of a refund and not what became of it');
    if (parseOrderNo(refundNo) === undefined) throw new ForeignOrder('its refund number is none of ours');
    annotate({ 'tillmesh.refund_no': refundNo });
    const { payment, refund } = await persistently(
      () => orderStore.getRefund({ ref: { case: 'refundNo', value: refundNo } }),
      clock,
    );
    requireOwn(payment, refund?.attemptNo, from);
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

  const verify = async (
    channel: RpcClient<typeof ChannelService>,
    { channelId, accountId, headers, body }: RawNotification,
  ): Promise<ParseNotificationResponse | Acknowledgement> => {
    // Anybody may write any account into the address: until an adapter knows it, it is not written into a metric.
    const count = (end: string) => notifications.add({ channel: channelId, account: 'unverified', end });
    try {
      return await channel.parseNotification(
        { accountId, headers: [...headers], body },
        { passage: laneOf(channelId) },
      );
    } catch (error) {
      const hopeless = error instanceof RpcError ? HOPELESS.get(error.reason) : undefined;
      if (hopeless === undefined) {
        count('failed');
        log.error({ channelId, accountId, err: error }, 'a notification could not be verified');
        return plain(503, 'not applied\n');
      }
      const [status, end] = hopeless;
      count(end);
      log.warn({ channelId, accountId, end }, 'a notification was refused; nothing was applied');
      return plain(status, `refused: ${end}\n`);
    }
  };

  return async (raw) => {
    const { channelId, accountId } = raw;
    const channel = channels.find(channelId);
    if (channel === undefined) {
      notifications.add({ channel: 'unknown', account: 'unknown', end: 'unknown_channel' });
      return plain(404, 'no such channel\n');
    }
    annotate({ 'tillmesh.channel_id': channelId, 'tillmesh.account_id': accountId });
    const parsed = await verify(channel, raw);
    if (!isMessage(parsed)) return parsed;
    const count = (end: string) => notifications.add({ channel: channelId, account: accountId, end });
    if (parsed.refusal !== NotificationRefusal.UNSPECIFIED) {
      const refusal = REFUSALS.get(parsed.refusal) ?? 'refused';
      count(refusal);
      annotate({ 'tillmesh.refusal': refusal });
      log.warn({ channelId, accountId, refusal }, 'a notification was refused; nothing was applied');
      return acknowledgement(parsed.answerRetry, plain(401, 'refused\n'));
    }
    try {
      for (const payment of parsed.payments) await applyPayment(payment, raw);
      for (const refund of parsed.refunds) await applyRefund(refund, raw);
    } catch (error) {
      const foreign = isForeign(error);
      count(foreign ? 'foreign_order' : 'failed');
      // Kept by the channel, which sends it again; an authentic one about an order that nobody here knows is somebody's money.
      log.error({ channelId, accountId, err: error, foreign }, 'a notification could not be applied');
      return acknowledgement(parsed.answerRetry, plain(foreign ? 404 : 503, 'not applied\n'));
    }
    count('applied');
    return acknowledgement(parsed.answerOk, plain(200, 'ok\n'));
  };
};
