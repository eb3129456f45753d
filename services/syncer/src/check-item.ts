import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import type { CheckItem, DelayQueue } from '@tillmesh/delay-queue';
import { toMember } from '@tillmesh/delay-queue';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { Payment } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { Refund } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { persistently, type RpcClient, RpcError, runAsCall } from '@tillmesh/rpc';
import {
  annotate,
  contextOfTraceparent,
  counter,
  errorTypeOf,
  type Log,
  SpanKind,
  withoutSpans,
  withSpan,
} from '@tillmesh/telemetry';
import type { Checked } from './check-payment.ts';

const checks = counter('tillmesh_checks_total', 'Checks of unresolved payments and refunds, by what came of them.', [
  'kind',
  'end',
]);

export type SyncCounts = { inFlight: number; done: number; settled: number; failed: number };

/** Checks one item within a budget of its own, as a part of its payment's trace, and says when to look again. */
export const createItemChecker = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly checkPayment: (payment: Payment, checkCount: number) => Promise<Checked>;
  readonly checkRefund: (refund: Refund, payment: Payment, checkCount: number) => Promise<Checked>;
  readonly queue: DelayQueue | undefined;
  readonly counts: SyncCounts;
  readonly budgetMs: number;
  readonly clock: Clock;
  readonly log: Log;
}): ((item: CheckItem) => Promise<Checked>) => {
  const { orderStore, queue, counts, budgetMs, clock, log } = deps;

  type Loaded = { readonly traceparent: string; readonly check: () => Promise<Checked> };

  const load = async ({ kind, number }: CheckItem): Promise<Loaded> => {
    if (kind === 'payment') {
      const order = await persistently(
        () => orderStore.getOrder({ payment: { ref: { case: 'orderNo', value: number } } }),
        clock,
      );
      const { payment, traceparent, checkCount } = order;
      if (payment === undefined) throw new Error('the order store answered without a payment');
      return { traceparent, check: () => deps.checkPayment(payment, checkCount) };
    }
    const found = await persistently(() => orderStore.getRefund({ ref: { case: 'refundNo', value: number } }), clock);
    const { refund, payment, traceparent, checkCount } = found;
    if (refund === undefined || payment === undefined) throw new Error('the order store answered without a refund');
    return { traceparent, check: () => deps.checkRefund(refund, payment, checkCount) };
  };

  /** The row's own time of the next look, and the queue's. The row is what counts; the queue is only faster. */
  const schedule = async (item: CheckItem, checked: Checked): Promise<void> => {
    if (checked.settled) {
      queue?.remove([toMember(item)]).catch(() => undefined);
      return;
    }
    const afterMs = checked.nextAfterMs ?? 0;
    queue?.add(toMember(item), afterMs).catch(() => undefined);
    await orderStore.scheduleCheck({
      item: { case: item.kind === 'payment' ? 'orderNo' : 'refundNo', value: item.number },
      nextCheckAfter: durationFromMs(afterMs),
    });
  };

  const run = async (item: CheckItem): Promise<Checked> => {
    // What is loaded tells the trace; the load itself is in none.
    const { traceparent, check } = await withoutSpans(() => load(item));
    return withSpan(
      `check ${item.kind}`,
      { kind: SpanKind.CONSUMER, parent: contextOfTraceparent(traceparent) },
      async () => {
        const checked = await check();
        annotate({ 'tillmesh.settled': checked.settled, 'tillmesh.note': checked.note });
        await schedule(item, checked);
        return checked;
      },
    );
  };

  return async (item) => {
    counts.inFlight += 1;
    try {
      const checked = await runAsCall(
        { name: 'syncer/check', caller: 'syncer', priority: 'query', budgetMs, clock },
        () => run(item),
      );
      counts.done += 1;
      if (checked.settled) counts.settled += 1;
      checks.add({ kind: item.kind, end: checked.settled ? 'settled' : 'again' });
      log.info({ ...item, settled: checked.settled, nextAfterMs: checked.nextAfterMs, note: checked.note }, 'checked');
      return checked;
    } catch (error) {
      if (error instanceof RpcError && (error.reason === 'PAYMENT_UNKNOWN' || error.reason === 'REFUND_UNKNOWN')) {
        queue?.remove([toMember(item)]).catch(() => undefined);
        return { settled: true, nextAfterMs: undefined, note: 'the order store knows no such item' };
      }
      counts.failed += 1;
      checks.add({ kind: item.kind, end: 'failed' });
      log.warn({ ...item, err: error }, 'could not be checked; it comes again');
      return { settled: false, nextAfterMs: undefined, note: `could not be checked: ${errorTypeOf(error)}` };
    } finally {
      counts.inFlight -= 1;
    }
  };
};
