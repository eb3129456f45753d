import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { createCheckQueue, createMemoryQueue, openRedis } from '@tillmesh/delay-queue';
import { bindLanes } from '@tillmesh/lane-control';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { SyncService } from '@tillmesh/proto/tillmesh/sync/v1/sync_service_pb.ts';
import { bind, brownout, createClient, runService } from '@tillmesh/rpc';
import { connectChannels } from './channels.ts';
import { createItemChecker, type SyncCounts } from './check-item.ts';
import { createPaymentChecker } from './check-payment.ts';
import { createRefundChecker } from './check-refund.ts';
import { SyncerConfig } from './config.ts';
import { findWork, type SweepReport } from './find-work.ts';
import { createLanes } from './lanes.ts';
import { createSyncService } from './sync-service.ts';
import { createTiers, NEAR_MAX } from './tiers.ts';

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
    const counts: SyncCounts = { inFlight: 0, done: 0, settled: 0, failed: 0 };
    const report: SweepReport = { lastSweepAtMs: undefined, oldestOverdueMs: 0 };
    const check = createItemChecker({
      orderStore,
      checkPayment: createPaymentChecker({ orderStore, channels, clock }),
      checkRefund: createRefundChecker({ orderStore, channels, clock }),
      counts,
      budgetMs: config.checkMsMax,
      personAfterMs: { payment: config.personAfterMs, refund: config.refundPersonAfterMs },
      clock,
      log,
    });
    return {
      services: [
        bind(SyncService, createSyncService({ orderStore, check, counts, report, redis, tiers, clock, log })),
        bindLanes({ service: 'syncer', instance: `${config.server.host}:${config.server.port}`, clock, log }),
      ],
      begin: async () => {
        for (const loop of findWork({
          config,
          orderStore,
          redis,
          tiers,
          check,
          report,
          brownout,
          clock,
          log,
          signal: stop,
        })) {
          loop.catch((error: unknown) => log.fatal({ err: error }, 'the syncer looks for work no more'));
        }
      },
      end: async () => {
        orderStore.close();
        channels.close();
        redis?.close();
      },
    };
  },
});
