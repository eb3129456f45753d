import { bindAlarms, createAlarms } from '@tillmesh/alarms';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { CHECK_QUEUE, createCheckQueue, createMemoryQueue, createShardOwner, openRedis } from '@tillmesh/delay-queue';
import { bindLanes } from '@tillmesh/lane-control';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { SyncService } from '@tillmesh/proto/tillmesh/sync/v1/sync_service_pb.ts';
import { createRateLimiter } from '@tillmesh/rate-limits';
import { bind, brownout, createClient, runService } from '@tillmesh/rpc';
import { connectChannels } from './channels.ts';
import { createItemChecker, type SyncCounts } from './check-item.ts';
import { limitOf } from './check-limits.ts';
import { createPaymentChecker } from './check-payment.ts';
import { createRefundChecker } from './check-refund.ts';
import { SyncerConfig } from './config.ts';
import { findWork, type SweepReport } from './find-work.ts';
import { createFlows } from './flows.ts';
import { createLanes } from './lanes.ts';
import { createSyncService } from './sync-service.ts';
import { createTiers, NEAR_MAX } from './tiers.ts';

const ENDING_MS_MAX = 2_000;

await runService({
  name: 'syncer',
  version: '0.1.0',
  load: (env) => loadConfig(SyncerConfig, env),
  build: async (config, log, stop) => {
    const clock = systemClock;
    const lanes = createLanes(clock);
    const orderStore = createClient(OrderStoreService, {
      target: config.orderStore.target,
      caller: 'syncer',
      capMs: 3_000,
      passage: lanes.orderStore,
    });
    const channels = connectChannels(config.channels, lanes.channel, config.planTimeScale, clock);
    const redis = config.redis === undefined ? undefined : openRedis(config.redis, log);
    const queue = redis === undefined ? undefined : createCheckQueue(redis);
    const tiers = createTiers({ near: createMemoryQueue(clock, { shardEntriesMax: NEAR_MAX }), queue });
    const alarms = createAlarms({ service: 'syncer', config: config.alarms, clock, log });
    const { host, port } = config.server;
    const worker = `${host}:${port}/${systemRandom.hex(8)}`;
    const owner = redis === undefined ? undefined : createShardOwner({ redis, name: CHECK_QUEUE, worker, clock, log });
    const counts: SyncCounts = { inFlight: 0, done: 0, settled: 0, failed: 0 };
    const report: SweepReport = { lastSweepAtMs: undefined, oldestOverdueMs: 0 };
    const processes = () => Math.max(config.checkLimits.processes, owner?.workers ?? 0);
    const flows = createFlows({
      placesMax: config.checksMax,
      limitOf: (flow) => limitOf(config.checkLimits, flow),
      limiter: createRateLimiter({ redis, processes, clock }),
      processes,
      clock,
      random: systemRandom,
    });
    const check = createItemChecker({
      orderStore,
      flows,
      checkPayment: createPaymentChecker({ orderStore, channels, clock }),
      checkRefund: createRefundChecker({ orderStore, channels, clock }),
      counts,
      alarms,
      budgetMs: config.checkMsMax,
      personAfterMs: { payment: config.personAfterMs, refund: config.refundPersonAfterMs },
      clock,
      log,
    });
    let loops: readonly Promise<void>[] = [];
    return {
      services: [
        bind(SyncService, createSyncService({ orderStore, check, flows, counts, report, redis, tiers, clock, log })),
        bindAlarms(alarms),
        bindLanes({ service: 'syncer', instance: `${config.server.host}:${config.server.port}`, clock, log }),
      ],
      begin: async () => {
        loops = findWork({
          config,
          orderStore,
          redis,
          tiers,
          owner,
          check: (item) => check(item, 'scheduled'),
          flows,
          report,
          alarms,
          brownout,
          clock,
          log,
          signal: stop,
        });
        for (const loop of loops) {
          loop.catch((error: unknown) => log.fatal({ err: error }, 'the syncer looks for work no more'));
        }
      },
      end: async () => {
        // What is under way is told, and the shards are given back: others need not wait for the lease to end.
        await Promise.race([Promise.allSettled(loops), clock.sleep(ENDING_MS_MAX)]);
        await alarms.close();
        orderStore.close();
        channels.close();
        redis?.close();
      },
    };
  },
});
