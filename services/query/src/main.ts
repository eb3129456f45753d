import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { createOrderReader } from '@tillmesh/order-groups';
import { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { bind, runService } from '@tillmesh/rpc';
import { QueryConfig } from './config.ts';
import { createQueryService } from './query-service.ts';

await runService({
  name: 'query',
  version: '0.1.0',
  load: (env) => loadConfig(QueryConfig, env),
  build: async (config, log) => {
    // Its own connections, its own account: reading can be as busy as it likes.
    const orders = createOrderReader({ config: config.orders, clock: systemClock, log });
    return {
      services: [bind(QueryService, createQueryService(orders))],
      begin: () => orders.look(),
      end: () => orders.close(),
    };
  },
});
