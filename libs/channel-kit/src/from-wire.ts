import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Secret } from '@tillmesh/config';
import type { Money } from '@tillmesh/domain';
import type {
  ChannelOrderRef,
  CreatePaymentRequest,
  CreateRefundRequest,
  ParseNotificationRequest,
  QueryRefundRequest,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { Money as WireMoney } from '@tillmesh/proto/tillmesh/money/v1/money_pb.ts';
import { rpcErrors } from '@tillmesh/rpc';
import { kindMap, moneyFromWire, walletMap } from '@tillmesh/wire';
import type { OrderRef, PaymentRequest, RawNotification, RefundRef, RefundRequest } from './channel.ts';

const invalid = (field: string, description: string) =>
  rpcErrors.requestInvalid(`${field} ${description}`, { violations: [{ field, description, reason: 'channel' }] });

// The rules in the proto have been checked before; what is refused here are values that a rule cannot express.
const required = <Value>(value: Value | undefined, field: string): Value => {
  if (value === undefined) throw invalid(field, 'is missing or out of range');
  return value;
};

const moneyOf = (amount: WireMoney | undefined, field: string): Money => required(moneyFromWire(amount), field);
const msOf = (time: Timestamp | undefined, field: string): number => timestampMs(required(time, field));

/** @throws {RpcError} REQUEST_INVALID */
export const orderOf = (wire: ChannelOrderRef | undefined): OrderRef => {
  const order = required(wire, 'order');
  return {
    accountId: order.accountId,
    channelOrderNo: order.channelOrderNo,
    channelTransactionId: order.channelTransactionId,
    createdAtMs: msOf(order.createdAt, 'order.created_at'),
    expireAtMs: order.expireAt === undefined ? undefined : timestampMs(order.expireAt),
    kind: required(kindMap.fromWire(order.kind), 'order.kind'),
    wallet: walletMap.fromWire(order.wallet),
    amount: moneyOf(order.amount, 'order.amount'),
  };
};

/** @throws {RpcError} REQUEST_INVALID */
export const paymentRequestOf = (wire: CreatePaymentRequest): PaymentRequest => {
  const order = orderOf(wire.order);
  if (order.kind === 'payment_code' && wire.paymentCode === '') throw invalid('payment_code', 'is missing');
  const needsPayer = order.kind === 'jsapi' || order.kind === 'mini_program';
  if (needsPayer && wire.payerId === '') throw invalid('payer_id', 'is missing');
  return {
    order,
    subject: wire.subject,
    expireAtMs: msOf(wire.expireAt, 'expire_at'),
    paymentCode: new Secret(wire.paymentCode),
    payerId: new Secret(wire.payerId),
    clientIp: new Secret(wire.clientIp),
    notifyUrl: wire.notifyUrl,
    terminalId: wire.terminalId,
    storeId: wire.storeId,
  };
};

/** @throws {RpcError} REQUEST_INVALID */
export const refundRequestOf = (wire: CreateRefundRequest): RefundRequest => ({
  order: orderOf(wire.order),
  refundNo: wire.refundNo,
  amount: moneyOf(wire.amount, 'amount'),
  reason: wire.reason,
  notifyUrl: wire.notifyUrl,
});

/** @throws {RpcError} REQUEST_INVALID */
export const refundRefOf = (wire: QueryRefundRequest): RefundRef => ({
  order: orderOf(wire.order),
  refundNo: wire.refundNo,
  amount: moneyOf(wire.amount, 'amount'),
});

/** Headers by their name in lower case; of a name that stands twice, the first: a second one cannot replace what was signed. */
export const notificationOf = (wire: ParseNotificationRequest): RawNotification => {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const { name, value } of wire.headers) headers[name.toLowerCase()] ??= value;
  return { headers, body: Buffer.from(wire.body) };
};
