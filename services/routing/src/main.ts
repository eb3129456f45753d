import { repeat, systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { bindLanes } from '@tillmesh/lane-control';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { bind, createClient, runService } from '@tillmesh/rpc';
import { RoutingConfig } from './config.ts';
import { openDayUses } from './day-uses.ts';
import { createHealthReports } from './health-reports.ts';
import { createLanes } from './lanes.ts';
import { createNews } from './news.ts';
import { createTableReloader } from './reload-table.ts';
import { createRoutingService } from './routing-service.ts';
import { createRoutingSource } from './routing-source.ts';
import { openSwitches } from './switches.ts';
import { readTableFile } from './table-file.ts';

/** A limit of the day may be passed by what came in so long before a crash of this process and of the cashier. */
const USES_KEPT_EVERY_MS = 1_000;

await runService({
  name: 'routing',
  version: '0.1.0',
  load: (env) => {
    const config = loadConfig(RoutingConfig, env);
    // These files are configuration as well: what is wrong with them is told in the same way.
    return {
      ...config,
      table: readTableFile(config.tableFile),
      switches: openSwitches(config.stateFile),
      uses: openDayUses(`${config.stateFile}.uses`),
    };
  },
  build: async (config, log, stop) => {
    const clock = systemClock;
    const { uses } = config;
    const news = createNews(clock);
    const source = createRoutingSource(config.table, config.switches, clock, news);
    const health = createHealthReports({ table: source.table, uses, clock, news });
    const lanes = createLanes(clock);
    const orderStore = createClient(OrderStoreService, {
      target: config.orderStore.target,
      caller: 'routing',
      capMs: 1_500,
      passage: lanes.orderStore,
    });
    const reload = createTableReloader(config.tableFile, source, log);
    return {
      services: [
        bind(RoutingService, createRoutingService({ source, health, news, orderStore, clock, log })),
        bindLanes({
          service: 'routing',
          instance: `${config.server.host}:${config.server.port}`,
          clock: systemClock,
          log,
        }),
      ],
      // A watch lasts as long as its cashier.
      serve: { streamMsMax: 3_600_000 },
      begin: async () => {
        repeat({
          clock,
          everyMs: USES_KEPT_EVERY_MS,
          signal: stop,
          task: async () => uses.keep(clock.nowMs()),
          onError: (error) => log.error({ err: error }, 'what accounts have taken today cannot be kept on disk'),
        }).catch((error: unknown) => log.error({ err: error }, 'what accounts take is not kept on disk any more'));
        repeat({
          clock,
          everyMs: config.reloadEveryMs,
          signal: stop,
          task: async () => reload(),
          onError: (error) => log.error({ err: error }, 'the routing table cannot be read; the old one stays'),
        }).catch((error: unknown) => log.error({ err: error }, 'the routing table is not watched any more'));
      },
      end: async () => {
        uses.keep(clock.nowMs());
        orderStore.close();
      },
    };
  },
});
