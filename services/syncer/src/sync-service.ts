import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { type CheckItem, type RedisConnection, sizeOf } from '@tillmesh/delay-queue';
import { parseOrderNo } from '@tillmesh/domain';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { SyncService } from '@tillmesh/proto/tillmesh/sync/v1/sync_service_pb.ts';
import { type Implementation, type RpcClient, rpcErrors } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import type { SyncCounts } from './check-item.ts';
import type { Checked } from './check-payment.ts';
import type { SweepReport } from './find-work.ts';
import type { FlowStatus, Flows, Turn } from './flows.ts';
import { handToPerson } from './hand-to-person.ts';
import { runBatch } from './run-batch.ts';
import type { Tiers } from './tiers.ts';
import { itemFromWire, type WireItem } from './wire-item.ts';

/** How long a till waits for a code payment, and how long before that it is told of. */
const TILL_MS = 60_000;
const WARN_MS = 15_000;

/** What a caller names. @throws {RpcError} ORDER_NO_MALFORMED */
const itemOf = (wire: WireItem): CheckItem => {
  const item = itemFromWire(wire);
  if (item === undefined || parseOrderNo(item.number) === undefined)
    throw rpcErrors.orderNoMalformed('the check digit of the number does not fit; it was mistyped or cut');
  return item;
};

const flowToWire = ({ channelId, kind, inFlight, waiting, longestWaitMs, limit }: FlowStatus) => ({
  channelId,
  ofRefunds: kind === 'refund',
  inFlight,
  waiting,
  longestWait: durationFromMs(Math.round(longestWaitMs)),
  ...(limit === undefined ? {} : { perSecond: limit.perSecond, burst: limit.burst }),
});

/** The wire's side of the syncer. */
export const createSyncService = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly check: (item: CheckItem, turn: Turn) => Promise<Checked>;
  readonly flows: Pick<Flows, 'status'>;
  readonly counts: SyncCounts;
  readonly report: SweepReport;
  readonly redis: RedisConnection | undefined;
  readonly tiers: Tiers;
  readonly clock: Clock;
  readonly log: Log;
}): Implementation<typeof SyncService> => {
  const { orderStore, check, flows, counts, report, redis, tiers, clock, log } = deps;
  /** The tiers hear what a check came to, for neither of them had asked for it. */
  const checkNow =
    (turn: Turn) =>
    async (item: CheckItem): Promise<Checked> => {
      const checked = await check(item, turn);
      tiers.tell(item, checked);
      return checked;
    };
  return {
    getSyncStatus: async () => {
      const redisAvailable = redis?.isReady() === true;
      const open = await orderStore.countOpenWork({
        tillPatience: durationFromMs(TILL_MS),
        warnBefore: durationFromMs(WARN_MS),
      });
      const waiting = redisAvailable && tiers.queue !== undefined ? await sizeOf(tiers.queue).catch(() => 0) : 0;
      return {
        inFlight: counts.inFlight,
        checksDone: BigInt(counts.done),
        settled: BigInt(counts.settled),
        checksFailed: BigInt(counts.failed),
        redisAvailable,
        waitingInRedis: BigInt(waiting),
        ...(report.lastSweepAtMs === undefined ? {} : { lastSweepAt: timestampFromMs(report.lastSweepAtMs) }),
        oldestOverdue: durationFromMs(Math.round(report.oldestOverdueMs)),
        ...(report.stoppedQueue === undefined
          ? {}
          : { queueStopped: durationFromMs(Math.round(report.stoppedQueue.overdueMs)) }),
        openPayments: open.payments,
        openRefunds: open.refunds,
        withPerson: open.withPerson,
        ...(open.oldestCreatedAt === undefined ? {} : { oldestCreatedAt: open.oldestCreatedAt }),
        aboutToBreach: open.aboutToBreach,
        breached: open.breached,
        unreachableGroupTags: open.unreachableGroupTags,
        flows: flows.status().map(flowToWire),
      };
    },
    retryNow: async ({ item }) => {
      const { settled, note } = await checkNow('at_once')(itemOf(item));
      return { settled, note };
    },
    runBatch: (request, call) => runBatch(request, call.signal, { orderStore, check: checkNow('patient'), clock, log }),
    handToPerson: async ({ item, person, reason }) => {
      await handToPerson(itemOf(item), { person, reason }, { orderStore, tiers, log });
      return {};
    },
    settleByPerson: async (request) => {
      const { item, attemptNo, outcome, channelTransactionId, evidence, person, happenedAt } = request;
      if ((item.case === 'orderNo') !== attemptNo > 0)
        throw rpcErrors.requestInvalid('attempt_no says which attempt of a payment; a refund has none');
      const { number } = itemOf(item);
      const { awaitsSecondPerson, contradictingPersons, changed, note } = await orderStore.recordStatement({
        item:
          item.case === 'orderNo'
            ? { case: 'attempt', value: { orderNo: number, attemptNo } }
            : { case: 'refundNo', value: number },
        outcome,
        channelTransactionId,
        evidence,
        person,
        ...(happenedAt === undefined ? {} : { happenedAt }),
      });
      log.warn(
        { item: item.case, number, attemptNo, person, outcome, changed, note, audit: true },
        'a person has spoken',
      );
      return { awaitsSecondPerson, contradictingPersons, changed, note };
    },
  };
};
