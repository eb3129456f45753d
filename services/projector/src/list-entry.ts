import { create, toBinary } from '@bufbuild/protobuf';
import { toOrderKey } from '@tillmesh/domain';
import type { ListEntry } from '@tillmesh/merchant-lists';
import type { StoredPayment } from '@tillmesh/order-groups';
import { PaymentSchema } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { traceIdOf } from '@tillmesh/telemetry';
import { paymentToWire } from '@tillmesh/wire';

/** A payment as lists show it: the message that callers get, so that reading takes no more than decoding it. */
export const listEntryOf = ({ payment }: StoredPayment, changedAtMs: number): ListEntry => ({
  merchantId: payment.merchantId,
  key: toOrderKey(payment.orderNo),
  version: payment.version,
  state: payment.state,
  content: toBinary(
    PaymentSchema,
    create(PaymentSchema, paymentToWire(payment, { traceId: traceIdOf(payment.traceparent), fromReplica: false })),
  ),
  changedAtMs,
});
