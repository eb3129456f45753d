import { join } from 'node:path';
import { bindAlarms, createAlarms } from '@tillmesh/alarms';
import { repeat, systemClock, systemRandom } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { openRedis } from '@tillmesh/delay-queue';
import { bindLanes } from '@tillmesh/lane-control';
import { createOrderReader } from '@tillmesh/order-groups';
import { ReconcilerService } from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import { SyncService } from '@tillmesh/proto/tillmesh/sync/v1/sync_service_pb.ts';
import { bind, createClient, runService } from '@tillmesh/rpc';
import { withoutSpans } from '@tillmesh/telemetry';
import { createBillLeases, unsharedLeases } from './bill-lease.ts';
import { openBillQueue } from './bill-queue.ts';
import { connectChannels } from './channels.ts';
import { ReconcilerConfig } from './config.ts';
import { removeSpools } from './entry-spool.ts';
import { createLanes } from './lanes.ts';
import { createReconcilerService } from './reconciler-service.ts';
import { openReportStore } from './report-store.ts';
import { createRuns, RUN_MS_MAX } from './runs.ts';
import { createCompareDue, type Failures, giveDue, tellDue } from './schedule.ts';

const SYNCER_MS_MAX = 25_000;

await runService({
  name: 'reconciler',
  version: '0.1.0',
  load: (env) => loadConfig(ReconcilerConfig, env),
  build: async (config, log, stop) => {
    const clock = systemClock;
    const lanes = createLanes(clock);
    const orders = createOrderReader({ config: config.orders, clock, log });
    const channels = connectChannels(config.channels, lanes.channel);
    const syncer = createClient(SyncService, {
      target: config.syncer.target,
      caller: 'reconciler',
      capMs: SYNCER_MS_MAX,
      passage: lanes.syncer,
    });
    const alarms = createAlarms({ service: 'reconciler', config: config.alarms, clock, log });
    const store = openReportStore(join(config.folder, 'reports'));
    const spoolFolder = join(config.folder, 'spool');
    const compare = { books: orders.books, syncer, settings: config, spoolFolder, clock, log };
    const redis = config.redis && openRedis(config.redis, log);
    const leases =
      redis === undefined ? unsharedLeases : createBillLeases({ redis, newHolder: () => systemRandom.hex(16), clock });
    const runs = createRuns({ channels, compare, store, alarms, leases, clock });
    const { host, port } = config.server;
    const { schedule } = config;
    const queue =
      schedule && config.redis && openBillQueue({ redis: config.redis, everyMs: schedule.everyMs, clock, log });
    const failures: Failures = new Map();

    /** Whoever has the turn looks for bills that are due; all tell of them. */
    const beginSchedule = ({ everyMs, daysBack }: NonNullable<typeof schedule>): void => {
      if (queue === undefined) return;
      const deps = { channels, store, daysBack, clock, log };
      const compareDue = createCompareDue({ ...deps, runs, failures, signal: stop });
      queue.work({
        look: () => withoutSpans(() => giveDue({ ...deps, give: queue.give }, stop)),
        compare: (key, failed) => withoutSpans(() => compareDue(key, failed)),
      });
      repeat({
        clock,
        everyMs,
        signal: stop,
        task: () =>
          withoutSpans(async () => {
            await queue.keepSchedule();
            await removeSpools(spoolFolder, clock.nowMs(), RUN_MS_MAX);
            await tellDue({ ...deps, alarms, failures }, stop);
          }),
        onError: (error) => log.error({ err: error }, 'nobody is told of bills that are due'),
      }).catch((error: unknown) => log.fatal({ err: error }, 'bills are compared no more'));
    };
    return {
      services: [
        bind(ReconcilerService, createReconcilerService({ runs, store, clock, log }), {
          runReconciliation: 'list',
          getReport: 'list',
          listReports: 'list',
        }),
        bindAlarms(alarms),
        bindLanes({ service: 'reconciler', instance: `${host}:${port}`, clock, log }),
      ],
      begin: async () => {
        await removeSpools(spoolFolder, clock.nowMs(), RUN_MS_MAX);
        await orders.look();
        // From now on, so that nobody has to wait for it later.
        leases.known(stop).catch(() => undefined);
        if (schedule !== undefined) beginSchedule(schedule);
      },
      whyNotReady: orders.whyUnreachable,
      end: async () => {
        await queue?.close();
        redis?.close();
        await alarms.close();
        syncer.close();
        channels.close();
        await orders.close();
      },
    };
  },
});
