import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock, Random } from '@tillmesh/clock';
import type { CreatePaymentRequest } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { type Payment, PaymentKind, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { persistently, type RpcClient, RpcError, rpcErrors } from '@tillmesh/rpc';
import { activeTraceparent, annotate } from '@tillmesh/telemetry';
import { kindMap, moneyToWire, walletMap } from '@tillmesh/wire';
import type { Carrier } from './carry-payment.ts';
import type { ChosenAccount, Route, Routes } from './choose-route.ts';
import { demandTimeToPay } from './enough-time.ts';
import { type OrderRequest, readOrderRequest } from './order-request.ts';

/** Should this process die while it calls the channel, the syncer asks the channel this long after. */
const CHECK_AFTER_CRASH_MS = 10_000;

const UNANSWERED: ReadonlySet<AttemptState> = new Set([AttemptState.STARTED, AttemptState.UNKNOWN]);

const lacksItsAction = (payment: Payment): boolean => {
  const attempt = payment.attempts.at(-1);
  return (
    payment.state === PaymentState.PAYING &&
    payment.kind !== PaymentKind.PAYMENT_CODE &&
    payment.action === undefined &&
    attempt !== undefined &&
    UNANSWERED.has(attempt.state)
  );
};

/**
 * Takes a payment: an order, an account, a channel, an answer.
 *
 * The function's second argument is the only account that can take it, where the payer is known to that one alone.
 */
export const createPaymentTaker = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly routes: Routes;
  readonly carrier: Carrier;
  readonly clock: Clock;
  readonly random: Random;
}): ((request: CreatePaymentRequest, only?: ChosenAccount) => Promise<Payment>) => {
  const { orderStore, routes, carrier, clock, random } = deps;

  /** A number that stands for a payment already is answered with it, even when no account could take it today. */
  const existing = async (order: OrderRequest, noRoute: unknown): Promise<Payment> => {
    const { merchantId, merchantOrderNo } = order;
    const ref = { case: 'merchantOrder', value: { merchantId, merchantOrderNo } } as const;
    try {
      const { payment } = await orderStore.getOrder({ payment: { ref } });
      const sameAmount =
        payment?.amount?.minorUnits === order.amount.minorUnits && payment.amount.currency === order.amount.currency;
      if (payment === undefined || !sameAmount) throw noRoute;
      return payment;
    } catch (error) {
      throw error instanceof RpcError && error.reason === 'PAYMENT_UNKNOWN' ? noRoute : error;
    }
  };

  const write = (order: OrderRequest, route: Route) => {
    const token = random.hex(8);
    return persistently(
      () =>
        orderStore.createOrder(
          {
            merchantId: order.merchantId,
            merchantOrderNo: order.merchantOrderNo,
            amount: moneyToWire(order.amount),
            kind: kindMap.toWire(order.kind),
            wallet: walletMap.toWire(order.wallet),
            subject: order.subject,
            expireAt: timestampFromMs(order.expireAtMs),
            terminalId: order.terminalId,
            storeId: order.storeId,
            attempt: carrier.plan(route, token),
            traceparent: activeTraceparent(),
            firstCheckAfter: durationFromMs(CHECK_AFTER_CRASH_MS),
          },
          { merchant: order.merchantId },
        ),
      clock,
    );
  };

  /**
   * An order that the payer pays by a code or a page of ours, and whose answer with that code was lost: it is placed again. Placing moves
   * no money, and the channel answers the same request under the same number with the same code.
   */
  const placeAgain = async (payment: Payment, order: OrderRequest): Promise<Payment> => {
    const ref = { case: 'orderNo', value: payment.orderNo } as const;
    const { payment: now, traceparent } = await orderStore.getOrder({ payment: { ref } });
    return now === undefined || !lacksItsAction(now) ? (now ?? payment) : carrier.carry(now, order, traceparent, true);
  };

  return async (request, only) => {
    const read = readOrderRequest(request, clock.nowMs());
    const order = only === undefined ? read : { ...read, onlyAccountId: only.accountId };
    annotate({
      'tillmesh.merchant_id': order.merchantId,
      'tillmesh.kind': order.kind,
      'tillmesh.wallet': order.wallet,
    });
    demandTimeToPay(clock);
    let route: Route;
    try {
      route =
        only === undefined
          ? routes.first({
              merchantId: order.merchantId,
              merchantOrderNo: order.merchantOrderNo,
              amount: order.amount,
              wallet: order.wallet,
              kind: order.kind,
              excluded: [],
            })
          : { account: only, reason: 'the account that the payer was asked for' };
    } catch (error) {
      if (!(error instanceof RpcError) || error.reason !== 'NO_ROUTE') throw error;
      return existing(order, error);
    }
    const { payment, created, bounced } = await write(order, route);
    if (payment === undefined) throw rpcErrors.internal('the order store answered without a payment');
    annotate({ 'tillmesh.order_no': payment.orderNo, 'tillmesh.group': payment.groupTag, 'tillmesh.bounced': bounced });
    if (created) return carrier.carry(payment, order, activeTraceparent());
    // A repeat is answered with what is known; only the call that wrote the order calls the channel.
    return lacksItsAction(payment) ? placeAgain(payment, order) : payment;
  };
};
