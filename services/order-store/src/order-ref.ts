import {
  type MerchantId,
  type MerchantOrderNo,
  type OrderNo,
  parseMerchantId,
  parseMerchantOrderNo,
  parseOrderNo,
} from '@tillmesh/domain';
import type { PaymentRef } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { rpcErrors } from '@tillmesh/rpc';

/** The order number, checked before any database is asked. @throws {RpcError} ORDER_NO_MALFORMED */
export const orderNoOf = (text: string): OrderNo => {
  const parsed = parseOrderNo(text);
  if (parsed === undefined) {
    throw rpcErrors.orderNoMalformed(
      `${text.slice(0, 25)} is no order number: its check digit does not fit; it was mistyped or cut`,
    );
  }
  return parsed.orderNo;
};

export type Ref =
  | { readonly kind: 'order'; readonly orderNo: OrderNo }
  | { readonly kind: 'merchant'; readonly merchantId: MerchantId; readonly merchantOrderNo: MerchantOrderNo };

/** Which payment a caller names. @throws {RpcError} */
export const refOf = (ref: PaymentRef | undefined): Ref => {
  if (ref?.ref.case === 'orderNo') return { kind: 'order', orderNo: orderNoOf(ref.ref.value) };
  const named = ref?.ref.case === 'merchantOrder' ? ref.ref.value : undefined;
  const merchantId = parseMerchantId(named?.merchantId ?? '');
  const merchantOrderNo = parseMerchantOrderNo(named?.merchantOrderNo ?? '');
  if (merchantId === undefined || merchantOrderNo === undefined)
    throw rpcErrors.requestInvalid('the request names no payment');
  return { kind: 'merchant', merchantId, merchantOrderNo };
};
