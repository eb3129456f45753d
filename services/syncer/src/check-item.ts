import { durationFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Alarms } from '@tillmesh/alarms';
import type { Clock } from '@tillmesh/clock';
import { type CheckItem, toMember } from '@tillmesh/delay-queue';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { Attempt } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
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
import { liveAttemptOf } from '@tillmesh/wire';
import type { Checked } from './check-payment.ts';
import { paidAttemptOf } from './complete-details.ts';
import type { Flows, Turn } from './flows.ts';
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

/** Of so many items it is remembered whose channel they wait for; of the others it is read once more. */
const REMEMBERED_MAX = 200_000;
/** What was read so long before its turn came is read again. */
const STALE_AFTER_MS = 200;

/**
 * Checks one item when it is its turn in the flow of its channel and kind, within a budget of its own, as a part of its payment's
 * trace, and says when to look again: soon, and with nothing done, where too many wait.
 */
export const createItemChecker = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly flows: Flows;
  readonly checkPayment: (payment: Payment, checkCount: number, hasNextLook: boolean) => Promise<Checked>;
  readonly checkRefund: (refund: Refund, payment: Payment, checkCount: number) => Promise<Checked>;
  readonly counts: SyncCounts;
  readonly alarms: Pick<Alarms, 'raise' | 'end'>;
  readonly budgetMs: number;
  /** How long after its time was over something that is still open calls for a person, ms. */
  readonly personAfterMs: { readonly payment: number; readonly refund: number };
  readonly clock: Clock;
  readonly log: Log;
}): ((item: CheckItem, turn: Turn) => Promise<Checked>) => {
  const { orderStore, flows, counts, budgetMs, clock, log } = deps;
  const channelOf = new Map<string, string>();

  type Loaded = {
    /** Who is asked; empty where nobody has to be. */
    readonly channelId: string;
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
        channelId: askedAttemptOf(payment)?.channelId ?? '',
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
      channelId: payment.attempts.find(({ attemptNo }) => attemptNo === refund.attemptNo)?.channelId ?? '',
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
    // The alarm that it raises says so in the log.
    calls.add({ kind: item.kind });
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

  const remember = (member: string, channelId: string): void => {
    channelOf.set(member, channelId);
    if (channelOf.size <= REMEMBERED_MAX) return;
    const [oldest] = channelOf.keys();
    if (oldest !== undefined) channelOf.delete(oldest);
  };

  const run = async (item: CheckItem, loaded: Loaded): Promise<Checked> =>
    withSpan(
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

  /** What went on, within the budget; a failure is an answer as well. */
  const watched = async <Value>(
    item: CheckItem,
    work: () => Promise<Value>,
  ): Promise<{ readonly value: Value } | { readonly failed: Checked }> => {
    counts.inFlight += 1;
    try {
      const value = await runAsCall(
        { name: 'syncer/check', caller: 'syncer', priority: 'query', budgetMs, clock },
        work,
      );
      return { value };
    } catch (error) {
      if (error instanceof RpcError && (error.reason === 'PAYMENT_UNKNOWN' || error.reason === 'REFUND_UNKNOWN')) {
        return { failed: { settled: true, nextAfterMs: undefined, note: 'the order store knows no such item' } };
      }
      counts.failed += 1;
      checks.add({ kind: item.kind, end: 'failed' });
      log.warn({ ...item, err: error }, 'could not be checked; it comes again');
      const note = `could not be checked: ${errorTypeOf(error)}`;
      return { failed: { settled: false, nextAfterMs: undefined, note } };
    } finally {
      counts.inFlight -= 1;
    }
  };

  // What is loaded tells the trace; the load itself is in none.
  const loadNow = (item: CheckItem): Promise<Loaded> => withoutSpans(() => load(item));

  /** In the flow of its channel. What was read before it had to wait is read again. */
  const checkInTurn = (item: CheckItem, channelId: string, turn: Turn, known: Loaded | undefined) =>
    flows.run({ channelId, kind: item.kind }, toMember(item), turn, (waitedMs) =>
      watched(item, async () => {
        const loaded = known === undefined || waitedMs > STALE_AFTER_MS ? await loadNow(item) : known;
        remember(toMember(item), loaded.channelId);
        const checked = await run(item, loaded);
        counts.done += 1;
        if (checked.settled) counts.settled += 1;
        checks.add({ kind: item.kind, end: checked.settled ? 'settled' : 'again' });
        log.info(
          { ...item, settled: checked.settled, nextAfterMs: checked.nextAfterMs, note: checked.note },
          'checked',
        );
        return checked;
      }),
    );

  const waits = (afterMs: number): Checked => ({
    settled: false,
    nextAfterMs: afterMs,
    note: 'not checked yet: others of its channel are before it',
  });

  return async (item, turn) => {
    const member = toMember(item);
    let channelId = channelOf.get(member);
    let loaded: Loaded | undefined;
    if (channelId === undefined) {
      const found = await flows.run({ channelId: '', kind: item.kind }, member, turn, () =>
        watched(item, () => loadNow(item)),
      );
      if (found.kind === 'later') return waits(found.afterMs);
      if ('failed' in found.value) return found.value.failed;
      loaded = found.value.value;
      channelId = loaded.channelId;
      remember(member, channelId);
    }
    const ran = await checkInTurn(item, channelId, turn, loaded);
    if (ran.kind === 'later') return waits(ran.afterMs);
    const checked = 'failed' in ran.value ? ran.value.failed : ran.value.value;
    if (checked.settled) channelOf.delete(member);
    return checked;
  };
};

/** The attempt that a check asks about. */
const askedAttemptOf = (payment: Payment): Attempt | undefined => liveAttemptOf(payment) ?? paidAttemptOf(payment);

/** When a payment's time is over: a payer who shows a code is waiting; others have until the payment's expiry. */
const timeOverAtMs = (payment: Payment, clock: Clock): number => {
  const begun = payment.attempts.at(-1)?.startedAt ?? payment.createdAt;
  const end = payment.kind === PaymentKind.PAYMENT_CODE ? begun : payment.expireAt;
  return end === undefined ? clock.nowMs() : timestampMs(end);
};
