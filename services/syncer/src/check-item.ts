import { durationFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Alarms } from '@tillmesh/alarms';
import type { Clock } from '@tillmesh/clock';
import type { CheckItem } from '@tillmesh/delay-queue';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { type Payment, PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { Refund } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { persistently, type RpcClient, RpcError, runAsCall, toRpcError } from '@tillmesh/rpc';
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
import { raiseAlarms, type Surplus, surplusOf } from './raise-alarms.ts';
import { itemToWire } from './wire-item.ts';

const checks = counter('tillmesh_checks_total', 'Checks of unresolved payments and refunds, by what came of them.', [
  'kind',
  'end',
]);

const AGAIN_AFTER_FAILURE_MS = 5_000;
const WHY_CHARACTERS_MAX = 255;

const calls = counter(
  'tillmesh_needs_person_total',
  'Payments and refunds that nobody could settle: a person has to.',
  ['kind'],
);

export type SyncCounts = { inFlight: number; done: number; settled: number; failed: number };

/** Checks one item within a budget of its own, as a part of its payment's trace, and says when to look again. */
export const createItemChecker = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly checkPayment: (payment: Payment, checkCount: number, hasNextLook: boolean) => Promise<Checked>;
  readonly checkRefund: (refund: Refund, payment: Payment, checkCount: number) => Promise<Checked>;
  readonly counts: SyncCounts;
  readonly alarms: Pick<Alarms, 'raise' | 'end'>;
  readonly budgetMs: number;
  /** How long after its time was over something that is still open calls for a person, ms. */
  readonly personAfterMs: { readonly payment: number; readonly refund: number };
  readonly clock: Clock;
  readonly log: Log;
}): ((item: CheckItem) => Promise<Checked>) => {
  const { orderStore, counts, budgetMs, clock, log } = deps;

  type Loaded = {
    readonly traceparent: string;
    readonly check: () => Promise<Checked>;
    /** Its time is over from then on, ms since 1970. */
    readonly timeOverAtMs: number;
    /** Why a person has been called before; empty where none has. */
    readonly needsPerson: string;
    readonly surplus: Surplus | undefined;
  };

  const load = async ({ kind, number }: CheckItem): Promise<Loaded> => {
    if (kind === 'payment') {
      const order = await persistently(
        () => orderStore.getOrder({ payment: { ref: { case: 'orderNo', value: number } } }),
        clock,
      );
      const { payment, traceparent, checkCount, nextCheckAt } = order;
      if (payment === undefined) throw new Error('the order store answered without a payment');
      return {
        traceparent,
        check: () => deps.checkPayment(payment, checkCount, nextCheckAt !== undefined),
        timeOverAtMs: timeOverAtMs(payment, clock),
        needsPerson: payment.needsPerson,
        surplus: undefined,
      };
    }
    const found = await persistently(() => orderStore.getRefund({ ref: { case: 'refundNo', value: number } }), clock);
    const { refund, payment, traceparent, checkCount } = found;
    if (refund === undefined || payment === undefined) throw new Error('the order store answered without a refund');
    return {
      traceparent,
      check: () => deps.checkRefund(refund, payment, checkCount),
      timeOverAtMs: refund.createdAt === undefined ? clock.nowMs() : timestampMs(refund.createdAt),
      needsPerson: refund.needsPerson,
      surplus: surplusOf(refund),
    };
  };

  /** Why a person has to see to it; empty while nobody has to, and where somebody has been called already. */
  const callForPerson = (item: CheckItem, loaded: Loaded, note: string): string => {
    const openForMs = clock.nowMs() - loaded.timeOverAtMs;
    if (loaded.needsPerson !== '' || openForMs < deps.personAfterMs[item.kind]) return '';
    const why = `still open ${Math.round(openForMs / 1_000)} s after its time was over; last: ${note}`;
    calls.add({ kind: item.kind });
    log.error({ ...item, why }, 'needs a person');
    return why.slice(0, WHY_CHARACTERS_MAX);
  };

  /** The row's own time of the next look: it is what counts. The queues are told by who asked for the check; they are only faster. */
  const schedule = async (item: CheckItem, checked: Checked, needsPerson: string): Promise<void> => {
    if (checked.settled) return;
    await orderStore.scheduleCheck({
      item: itemToWire(item),
      nextCheckAfter: durationFromMs(checked.nextAfterMs ?? 0),
      needsPerson,
    });
  };

  /** A check that fails is told as it is after its row has been looked at: it must not be silent for ever. */
  const checkedOrFailed = async ({ check }: Loaded): Promise<Checked & { readonly error?: Error }> => {
    try {
      return await check();
    } catch (error) {
      const note = `could not be checked: ${errorTypeOf(error)}`;
      return { settled: false, nextAfterMs: AGAIN_AFTER_FAILURE_MS, note, error: toRpcError(error) };
    }
  };

  const run = async (item: CheckItem): Promise<Checked> => {
    // What is loaded tells the trace; the load itself is in none.
    const loaded = await withoutSpans(() => load(item));
    return withSpan(
      `check ${item.kind}`,
      { kind: SpanKind.CONSUMER, parent: contextOfTraceparent(loaded.traceparent) },
      async () => {
        const checked = await checkedOrFailed(loaded);
        annotate({ 'tillmesh.settled': checked.settled, 'tillmesh.note': checked.note });
        // A payment that lacks a detail only is at its end.
        const isOpen = !checked.settled && checked.forDetails !== true;
        const call = isOpen ? callForPerson(item, loaded, checked.note) : '';
        const needsPerson = call || loaded.needsPerson;
        raiseAlarms(deps.alarms, item, { settled: !isOpen, needsPerson, surplus: loaded.surplus });
        await schedule(item, checked, call);
        if (checked.error !== undefined) throw checked.error;
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

/** When a payment's time is over: a payer who shows a code is waiting; others have until the payment's expiry. */
const timeOverAtMs = (payment: Payment, clock: Clock): number => {
  const begun = payment.attempts.at(-1)?.startedAt ?? payment.createdAt;
  const end = payment.kind === PaymentKind.PAYMENT_CODE ? begun : payment.expireAt;
  return end === undefined ? clock.nowMs() : timestampMs(end);
};
