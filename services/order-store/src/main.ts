import { bindAlarms, createAlarms } from '@tillmesh/alarms';
import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { budgetLine, createOrderGroups } from '@tillmesh/order-groups';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { bind, runService } from '@tillmesh/rpc';
import { OrderStoreConfig } from './config.ts';
import { createOrderStoreService } from './order-store-service.ts';
import { untilSchemas } from './until-schemas.ts';

await runService({
  name: 'order-store',
  version: '0.1.0',
  load: (env) => loadConfig(OrderStoreConfig, env),
  build: async (config, log, stop) => {
    log.info({ connections: budgetLine(config.orders) }, 'connections to each database server');
    const orders = createOrderGroups({ config: config.orders, clock: systemClock, log });
    const alarms = createAlarms({ service: 'order-store', config: config.alarms, clock: systemClock, log });
    return {
      services: [bind(OrderStoreService, createOrderStoreService(orders, alarms, systemClock)), bindAlarms(alarms)],
      begin: async (waitsFor) => {
        await orders.look();
        await untilSchemas({ schemas: orders.schemas, waitsFor, clock: systemClock, signal: stop });
        await orders.open(waitsFor);
      },
      whyNotReady: orders.whyUnreachable,
      end: async () => {
        await alarms.close();
        await orders.close();
      },
    };
  },
});
