import { join } from 'node:path';
import { bindAlarms, createAlarms } from '@tillmesh/alarms';
import { repeat, systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { bindLanes } from '@tillmesh/lane-control';
import { createOrderReader } from '@tillmesh/order-groups';
import { ReconcilerService } from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import { SyncService } from '@tillmesh/proto/tillmesh/sync/v1/sync_service_pb.ts';
import { bind, createClient, runService } from '@tillmesh/rpc';
import { withoutSpans } from '@tillmesh/telemetry';
import { connectChannels } from './channels.ts';
import { ReconcilerConfig } from './config.ts';
import { removeSpools } from './entry-spool.ts';
import { createLanes } from './lanes.ts';
import { createReconcilerService } from './reconciler-service.ts';
import { openReportStore } from './report-store.ts';
import { createRuns } from './runs.ts';
import { compareDue, type Tries } from './schedule.ts';

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
    const runs = createRuns({ channels, compare, store, alarms, clock });
    const { host, port } = config.server;
    const { schedule } = config;
    const tries: Tries = new Map();
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
        await removeSpools(spoolFolder);
        await orders.look();
        if (schedule === undefined) return;
        const { everyMs, daysBack } = schedule;
        repeat({
          clock,
          everyMs,
          signal: stop,
          task: () =>
            withoutSpans(() =>
              compareDue({ channels, runs, store, alarms, daysBack, tries, clock, log, signal: stop }),
            ),
          onError: (error) => log.error({ err: error }, 'bills that are due were not looked for'),
        }).catch((error: unknown) => log.fatal({ err: error }, 'bills are compared no more'));
      },
      whyNotReady: orders.whyUnreachable,
      end: async () => {
        await alarms.close();
        syncer.close();
        channels.close();
        await orders.close();
      },
    };
  },
});
