import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { CheckItem, DelayQueue, RedisConnection } from '@tillmesh/delay-queue';
import { parseOrderNo } from '@tillmesh/domain';
import type { SyncService } from '@tillmesh/proto/tillmesh/sync/v1/sync_service_pb.ts';
import { type Implementation, notYet, notYetStream, rpcErrors } from '@tillmesh/rpc';
import type { SyncCounts } from './check-item.ts';
import type { Checked } from './check-payment.ts';
import type { SweepReport } from './find-work.ts';

/** The wire's side of the syncer. */
export const createSyncService = (deps: {
  readonly check: (item: CheckItem) => Promise<Checked>;
  readonly counts: SyncCounts;
  readonly report: SweepReport;
  readonly redis: RedisConnection | undefined;
  readonly queue: DelayQueue | undefined;
}): Implementation<typeof SyncService> => {
  const { check, counts, report, redis, queue } = deps;
  return {
    getSyncStatus: async () => {
      const redisAvailable = redis?.isReady() === true;
      const waiting = redisAvailable ? await (queue?.size() ?? Promise.resolve(0)).catch(() => 0) : 0;
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
      const { settled, note } = await check({ kind: item.case === 'refundNo' ? 'refund' : 'payment', number });
      return { settled, note };
    },
    runBatch: notYetStream('RunBatch'),
    handToPerson: notYet('HandToPerson'),
    settleByPerson: notYet('SettleByPerson'),
  };
};
