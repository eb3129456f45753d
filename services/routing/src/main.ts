import { statSync } from 'node:fs';
import { repeat, systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { bindLanes } from '@tillmesh/lane-control';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { bind, createClient, runService } from '@tillmesh/rpc';
import { RoutingConfig } from './config.ts';
import { createHealthReports } from './health-reports.ts';
import { createLanes } from './lanes.ts';
import { createRoutingService } from './routing-service.ts';
import { createRoutingSource } from './routing-source.ts';
import { openSwitches } from './switches.ts';
import { readTableFile } from './table-file.ts';

await runService({
  name: 'routing',
  version: '0.1.0',
  load: (env) => {
    const config = loadConfig(RoutingConfig, env);
    // Both files are configuration as well: what is wrong with them is told in the same way.
    return { ...config, table: readTableFile(config.tableFile), switches: openSwitches(config.stateFile) };
  },
  build: async (config, log, stop) => {
    const source = createRoutingSource(config.table, config.switches, systemClock);
    const lanes = createLanes(systemClock);
    const orderStore = createClient(OrderStoreService, {
      target: config.orderStore.target,
      caller: 'routing',
      capMs: 1_500,
      passage: lanes.orderStore,
    });
    let changedAtMs = statSync(config.tableFile).mtimeMs;
    const reload = async () => {
      const { mtimeMs } = statSync(config.tableFile);
      if (mtimeMs === changedAtMs) return;
      changedAtMs = mtimeMs;
      source.replace(readTableFile(config.tableFile));
      log.info({ version: String(source.table().version) }, 'routing table read again');
    };
    return {
      services: [
        bind(
          RoutingService,
          createRoutingService({ source, health: createHealthReports(systemClock), orderStore, log }),
        ),
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
          clock: systemClock,
          everyMs: config.reloadEveryMs,
          signal: stop,
          task: reload,
          onError: (error) => log.error({ err: error }, 'the routing table cannot be read; the old one stays'),
        }).catch((error: unknown) => log.error({ err: error }, 'the routing table is not watched any more'));
      },
      end: async () => orderStore.close(),
    };
  },
});
