import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { CheckItem } from '@tillmesh/delay-queue';
import type {
  GetOrderResponse,
  OrderStoreService,
} from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type RpcClient, rpcErrors } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import { liveAttemptOf } from '@tillmesh/wire';
import type { Tiers } from './tiers.ts';
import { itemToWire } from './wire-item.ts';

/** So rarely the syncer looks at what a person has taken over: not never, for persons forget. */
const LOOK_AGAIN_AFTER_MS = 24 * 3_600_000;

/** What is at its end has no next look, or one for details alone. */
const isOpenPayment = ({ payment, nextCheckAt }: Pick<GetOrderResponse, 'payment' | 'nextCheckAt'>): boolean =>
  payment !== undefined &&
  nextCheckAt !== undefined &&
  (payment.state !== PaymentState.SUCCEEDED || liveAttemptOf(payment) !== undefined);

/**
 * Takes a payment or a refund out of the automatic schedule.
 *
 * @throws {RpcError} PAYMENT_STATE where it is at its end.
 */
export const handToPerson = async (
  item: CheckItem,
  { person, reason }: { readonly person: string; readonly reason: string },
  deps: {
    readonly orderStore: Pick<RpcClient<typeof OrderStoreService>, 'getOrder' | 'getRefund' | 'scheduleCheck'>;
    readonly tiers: Tiers;
    readonly log: Log;
  },
): Promise<void> => {
  const { orderStore, tiers, log } = deps;
  const { number } = item;
  const isOpen =
    item.kind === 'payment'
      ? isOpenPayment(await orderStore.getOrder({ payment: { ref: { case: 'orderNo', value: number } } }))
      : (await orderStore.getRefund({ ref: { case: 'refundNo', value: number } })).refund?.settledAt === undefined;
  if (!isOpen) throw rpcErrors.paymentState('it is at its end: nothing is left to be done by hand');
  await orderStore.scheduleCheck({
    item: itemToWire(item),
    nextCheckAfter: durationFromMs(LOOK_AGAIN_AFTER_MS),
    needsPerson: `${person.trim()}: ${reason}`,
  });
  tiers.tell(item, { settled: false, nextAfterMs: LOOK_AGAIN_AFTER_MS, note: 'handed to a person' });
  log.warn({ ...item, person, reason, audit: true }, 'handed to a person');
};
