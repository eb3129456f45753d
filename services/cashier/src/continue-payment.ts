import { createHash } from 'node:crypto';
import { durationFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { type AccountId, type MerchantId, parseOrderNo } from '@tillmesh/domain';
import type { ContinuePaymentRequest } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import {
  DeclineReason,
  type Payment,
  PaymentKind,
  PaymentState,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { persistently, type RpcClient, RpcError, rpcErrors } from '@tillmesh/rpc';
import { activeTraceparent, annotate } from '@tillmesh/telemetry';
import { moneyFromWire, paymentStateMap, walletMap } from '@tillmesh/wire';
import type { Carrier } from './carry-payment.ts';
import type { Routes } from './choose-route.ts';
import { demandTimeToPay } from './enough-time.ts';
import { type OrderRequest, walletOfCode } from './order-request.ts';

const CHECK_AFTER_CRASH_MS = 10_000;

/**
 * The same code for the same payment has the same token, so that a repeat finds the attempt it made. 64 bits of a hash: the
 * code cannot be read back, and it is dead within a minute.
 */
const tokenOf = (orderNo: string, paymentCode: string): string =>
  createHash('sha256').update(`${orderNo}:${paymentCode}`).digest('hex').slice(0, 16);

/** The order as its payment tells it, with the payer's new code. */
const orderOf = (payment: Payment, paymentCode: string): OrderRequest => {
  const amount = moneyFromWire(payment.amount);
  const wallet = walletMap.fromWire(payment.wallet);
  if (amount === undefined || wallet === undefined || payment.expireAt === undefined) {
    throw rpcErrors.internal('the order store answered with half a payment');
  }
  return {
    merchantId: payment.merchantId as MerchantId,
    merchantOrderNo: payment.merchantOrderNo,
    amount,
    kind: 'payment_code',
    wallet: walletOfCode(paymentCode, wallet),
    subject: payment.subject,
    paymentCode,
    payerId: '',
    clientIp: '127.0.0.1',
    terminalId: payment.terminalId,
    storeId: payment.storeId,
    expireAtMs: timestampMs(payment.expireAt),
  };
};

/** Accounts that refused for a reason of their own are not asked again. */
const refusingAccounts = (payment: Payment): AccountId[] =>
  payment.declineReason === DeclineReason.ACCOUNT_REFUSED
    ? payment.attempts.slice(-1).map(({ accountId }) => accountId as AccountId)
    : [];

/** A version that has passed does not come back: asking again, as for a group that is away, would only take time. */
const unlessMoved = async <Answer>(work: () => Promise<Answer>): Promise<Answer | 'moved'> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RpcError && error.reason === 'VERSION_CONFLICT') return 'moved';
    throw error;
  }
};

/** One attempt more on a declined payment, with a new code. */
export const createPaymentContinuer = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly routes: Routes;
  readonly carrier: Carrier;
  readonly clock: Clock;
}): ((request: ContinuePaymentRequest) => Promise<Payment>) => {
  const { orderStore, routes, carrier, clock } = deps;
  return async ({ orderNo, paymentCode }) => {
    if (parseOrderNo(orderNo) === undefined)
      throw rpcErrors.orderNoMalformed('the check digit of the order number does not fit');
    demandTimeToPay(clock);
    const { payment } = await persistently(
      () => orderStore.getOrder({ payment: { ref: { case: 'orderNo', value: orderNo } } }),
      clock,
    );
    if (payment === undefined) throw rpcErrors.internal('the order store answered without a payment');
    annotate({ 'tillmesh.order_no': orderNo, 'tillmesh.merchant_id': payment.merchantId });
    const state = paymentStateMap.fromWire(payment.state) ?? 'unknown';
    if (payment.kind !== PaymentKind.PAYMENT_CODE) {
      throw rpcErrors.paymentState('only payment-code payments are continued with a new code', { metadata: { state } });
    }
    const order = orderOf(payment, paymentCode);
    const token = tokenOf(orderNo, paymentCode);
    if (payment.state !== PaymentState.DECLINED) {
      // A repeat of a continuation that is under way, or one that came too late: the payment as it stands.
      if (payment.state === PaymentState.PAYING || payment.state === PaymentState.SUCCEEDED) return payment;
      throw rpcErrors.paymentState(`a payment that is ${state} cannot be continued`, { metadata: { state } });
    }
    if (order.expireAtMs <= clock.nowMs()) {
      throw rpcErrors.paymentState('the payment has expired; take a new one', { metadata: { state } });
    }
    const route = routes.first({
      merchantId: order.merchantId,
      merchantOrderNo: order.merchantOrderNo,
      amount: order.amount,
      wallet: order.wallet,
      kind: order.kind,
      excluded: refusingAccounts(payment),
    });
    const started = await persistently(
      () =>
        unlessMoved(() =>
          orderStore.startAttempt({
            orderNo,
            expectedVersion: payment.version,
            attempt: carrier.plan(route, token),
            nextCheckAfter: durationFromMs(CHECK_AFTER_CRASH_MS),
          }),
        ),
      clock,
    );
    if (started !== 'moved') return carrier.carry(started.payment ?? payment, order, activeTraceparent());
    // Somebody else moved it first, or this code was tried before: what it is now is the answer.
    const now = await orderStore.getOrder({ payment: { ref: { case: 'orderNo', value: orderNo } } });
    return now.payment ?? payment;
  };
};
