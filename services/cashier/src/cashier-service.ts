import type { Clock } from '@tillmesh/clock';
import { parseOrderNo } from '@tillmesh/domain';
import type { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { Payment, PaymentRef } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { Refund } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { type Implementation, persistently, type RpcClient, rpcErrors } from '@tillmesh/rpc';
import { tellingAbsence } from './tell-absence.ts';
import { watchPayment } from './watch-payment.ts';

type Request<Method extends keyof Implementation<typeof CashierService>> = Parameters<
  Implementation<typeof CashierService>[Method]
>[0];

/** A mistyped number is refused before anybody else is asked. */
const checked = (ref: PaymentRef | undefined): PaymentRef => {
  if (ref === undefined) throw rpcErrors.requestInvalid('the request names no payment');
  if (ref.ref.case === 'orderNo' && parseOrderNo(ref.ref.value) === undefined) {
    throw rpcErrors.orderNoMalformed('the check digit of the order number does not fit: it was mistyped or cut');
  }
  return ref;
};

/** The wire's side of the cashier. */
export const createCashierService = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly take: (request: Request<'createPayment'>) => Promise<Payment>;
  readonly continuePayment: (request: Request<'continuePayment'>) => Promise<Payment>;
  readonly close: (ref: PaymentRef) => Promise<Payment>;
  readonly refund: (request: Request<'createRefund'>) => Promise<Refund>;
  readonly clock: Clock;
}): Implementation<typeof CashierService> => {
  const { orderStore, clock } = deps;

  const orderNoOf = async (ref: PaymentRef | undefined): Promise<string> => {
    const named = checked(ref);
    if (named.ref.case === 'orderNo') return named.ref.value;
    const { payment } = await persistently(() => orderStore.getOrder({ payment: named }), clock);
    return payment?.orderNo ?? '';
  };

  const read = async (payment: PaymentRef) =>
    (await persistently(() => orderStore.getOrder({ payment }), clock)).payment;

  const readRefund = async ({ ref }: Request<'getRefund'>): Promise<Refund | undefined> => {
    if (ref.case === 'merchantRefund') {
      const orderNo = await orderNoOf(ref.value.payment);
      const { merchantRefundNo } = ref.value;
      return (await orderStore.getRefund({ ref: { case: 'orderRefund', value: { orderNo, merchantRefundNo } } }))
        .refund;
    }
    if (ref.case !== 'refundNo' || parseOrderNo(ref.value) === undefined) {
      throw rpcErrors.orderNoMalformed('the check digit of the refund number does not fit: it was mistyped or cut');
    }
    return (await orderStore.getRefund({ ref })).refund;
  };

  return {
    createPayment: async (request) => ({ payment: await tellingAbsence('writes', () => deps.take(request)) }),
    getPayment: async (request) => {
      const ref = checked(request.payment);
      return { payment: await tellingAbsence('reads', () => read(ref)) };
    },
    watchPayment: (request, call) => watchPayment(checked(request.payment), call.signal, { orderStore, clock }),
    continuePayment: async (request) => ({
      payment: await tellingAbsence('writes', () => deps.continuePayment(request)),
    }),
    closePayment: async (request) => {
      const ref = checked(request.payment);
      return { payment: await tellingAbsence('writes', () => deps.close(ref)) };
    },
    createRefund: async (request) => {
      checked(request.payment);
      return { refund: await tellingAbsence('writes', () => deps.refund(request)) };
    },
    getRefund: async (request) => ({ refund: await tellingAbsence('reads', () => readRefund(request)) }),
  };
};
