import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type CheckItem, type RedisConnection, sizeOf } from '@tillmesh/delay-queue';
import { parseOrderNo } from '@tillmesh/domain';
import type { SyncService } from '@tillmesh/proto/tillmesh/sync/v1/sync_service_pb.ts';
import { type Implementation, notYet, notYetStream, rpcErrors } from '@tillmesh/rpc';
import type { SyncCounts } from './check-item.ts';
import type { Checked } from './check-payment.ts';
import type { SweepReport } from './find-work.ts';
import type { Tiers } from './tiers.ts';

/** The wire's side of the syncer. */
export const createSyncService = (deps: {
  readonly check: (item: CheckItem) => Promise<Checked>;
  readonly tiers: Tiers;
  readonly counts: SyncCounts;
  readonly report: SweepReport;
  readonly redis: RedisConnection | undefined;
}): Implementation<typeof SyncService> => {
  const { check, tiers, counts, report, redis } = deps;
  const { queue } = tiers;
  return {
    getSyncStatus: async () => {
      const redisAvailable = redis?.isReady() === true;
      const waiting = redisAvailable && queue !== undefined ? await sizeOf(queue).catch(() => 0) : 0;
      return {
        inFlight: counts.inFlight,
        checksDone: BigInt(counts.done),
        settled: BigInt(counts.settled),
        checksFailed: BigInt(counts.failed),
        redisAvailable,
        waitingInRedis: BigInt(waiting),
        ...(report.lastSweepAtMs === undefined ? {} : { lastSweepAt: timestampFromMs(report.lastSweepAtMs) }),
        oldestOverdue: durationFromMs(Math.round(report.oldestOverdueMs)),
      };
    },
    retryNow: async ({ item }) => {
      const number = item.value ?? '';
      if (parseOrderNo(number) === undefined)
        throw rpcErrors.orderNoMalformed('the check digit of the number does not fit');
      const asked: CheckItem = { kind: item.case === 'refundNo' ? 'refund' : 'payment', number };
      const checked = await check(asked);
      tiers.tell(asked, checked);
      return { settled: checked.settled, note: checked.note };
    },
    runBatch: notYetStream('RunBatch'),
    handToPerson: notYet('HandToPerson'),
    settleByPerson: notYet('SettleByPerson'),
  };
};
