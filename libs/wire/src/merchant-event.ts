import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type MerchantEventKind, merchantEventId, type OrderNo, type Payment, type Refund } from '@tillmesh/domain';
import type { MerchantEventSchema } from '@tillmesh/proto/tillmesh/notify/v1/merchant_event_pb.ts';
import { merchantEventKindMap } from './enums.ts';
import { paymentToWire, refundToWire } from './payment.ts';

/** An event with the rows that it is told with, as they are now. */
export type ToldEvent = {
  /** Of the payment or the refund. */
  readonly number: OrderNo;
  readonly version: number;
  readonly kind: MerchantEventKind;
  readonly happenedAtMs: number;
  readonly payment: Payment;
  /** Undefined for events of payments. */
  readonly refund: { readonly refund: Refund; readonly needsPerson: string } | undefined;
  readonly traceId: string;
};

/** An event for the wire. */
export const merchantEventToWire = (event: ToldEvent): MessageInitShape<typeof MerchantEventSchema> => ({
  eventId: merchantEventId(event.number, event.version, event.kind),
  kind: merchantEventKindMap.toWire(event.kind),
  happenedAt: timestampFromMs(event.happenedAtMs),
  eventVersion: event.version,
  merchantId: event.payment.merchantId,
  payment: paymentToWire(event.payment, { traceId: event.traceId, fromReplica: false }),
  ...(event.refund === undefined ? {} : { refund: refundToWire(event.refund.refund, event.refund.needsPerson) }),
});
