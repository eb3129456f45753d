import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { assertSchemas, budgetLine, createOrderGroups } from '@tillmesh/order-groups';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { bind, runService } from '@tillmesh/rpc';
import { OrderStoreConfig } from './config.ts';
import { createOrderStoreService } from './order-store-service.ts';

await runService({
  name: 'order-store',
  version: '0.1.0',
  load: (env) => loadConfig(OrderStoreConfig, env),
  build: async (config, log) => {
    log.info({ connections: budgetLine(config.orders) }, 'connections to each database server');
    const orders = createOrderGroups({ config: config.orders, clock: systemClock, log });
    return {
      services: [bind(OrderStoreService, createOrderStoreService(orders, systemClock))],
      begin: async () => {
        await orders.look();
        assertSchemas(await orders.schemas());
        await orders.open();
      },
      end: () => orders.close(),
    };
  },
});
