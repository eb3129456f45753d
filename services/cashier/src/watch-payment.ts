import type { Clock } from '@tillmesh/clock';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { type Payment, type PaymentRef, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type RpcClient, RpcError, rpcErrors } from '@tillmesh/rpc';
import { withoutSpans } from '@tillmesh/telemetry';
import { tellingAbsence } from './tell-absence.ts';

/** Quick while a till waits, slower for a poster on a wall. */
const POLL_MS = { first: 200, then: 1_000 } as const;
const QUICK_FOR_MS = 60_000;

const FINAL: ReadonlySet<PaymentState> = new Set([PaymentState.SUCCEEDED, PaymentState.FAILED, PaymentState.CLOSED]);

/** Every version of a payment from now to its final state. */
export const watchPayment = async function* (
  ref: PaymentRef | undefined,
  signal: AbortSignal,
  deps: { readonly orderStore: RpcClient<typeof OrderStoreService>; readonly clock: Clock },
): AsyncGenerator<{ readonly payment: Payment }> {
  const { orderStore, clock } = deps;
  if (ref === undefined) throw rpcErrors.requestInvalid('the request names no payment');
  const beganMs = clock.monotonicMs();
  let sent = 0;
  while (!signal.aborted) {
    const payment = await withoutSpans(() => read(orderStore, ref, sent > 0));
    if (payment !== undefined && payment.version > sent) {
      sent = payment.version;
      yield { payment };
      if (FINAL.has(payment.state)) return;
    }
    const pauseMs = clock.monotonicMs() - beganMs < QUICK_FOR_MS ? POLL_MS.first : POLL_MS.then;
    await clock.sleep(pauseMs, signal).catch(() => undefined);
  }
};

/** A payment that was seen once is there: a group that is away for a moment does not end the stream. */
const read = async (
  orderStore: RpcClient<typeof OrderStoreService>,
  ref: PaymentRef,
  seen: boolean,
): Promise<Payment | undefined> => {
  try {
    return await tellingAbsence(
      'reads',
      async () => (await orderStore.getOrder({ payment: ref }, { priority: 'query', capMs: 1_500 })).payment,
    );
  } catch (error) {
    if (seen && error instanceof RpcError && error.reason === 'DEPENDENCY_UNAVAILABLE') return undefined;
    throw error;
  }
};
