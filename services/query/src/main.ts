import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { createEventStore } from '@tillmesh/merchant-events';
import { createListStore, watchStore } from '@tillmesh/merchant-lists';
import { createColumnCipher, createOrderReader, openRowKeys } from '@tillmesh/order-groups';
import { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { bind, brownout, runService } from '@tillmesh/rpc';
import { QueryConfig } from './config.ts';
import { createListPayments } from './list-payments.ts';
import { createQueryService } from './query-service.ts';
import { createWatchMerchant } from './watch-merchant.ts';

await runService({
  name: 'query',
  version: '0.1.0',
  load: (env) => loadConfig(QueryConfig, env),
  build: async (config, log) => {
    const clock = systemClock;
    const { store: storeConfig, groupMsMax, lagMsMax, lookEveryMs } = config.lists;
    // Its own connections, its own account: reading can be as busy as it likes.
    const orders = createOrderReader({ config: config.orders, listMsMax: groupMsMax, clock, log });
    const store =
      storeConfig === undefined
        ? undefined
        : createListStore({
            config: storeConfig,
            cipher: createColumnCipher(openRowKeys(config.orders.rowKeys)),
            clock,
          });
    const projected = store && {
      store,
      watch: watchStore({ store, tags: orders.changes.tags, lagMsMax, everyMs: lookEveryMs, clock, log }),
    };
    const events =
      config.events.store === undefined ? undefined : createEventStore({ config: config.events.store, clock });
    const watchMerchant = createWatchMerchant({
      store: events,
      changes: orders.changes,
      everyMs: config.events.lookEveryMs,
      clock,
      log,
    });
    const list = createListPayments({ orders, projected });
    return {
      services: [
        bind(QueryService, createQueryService({ orders, list, brownout, watchMerchant, clock }), {
          getPayment: 'query',
          getTrajectory: 'query',
          listPayments: 'list',
          watchMerchant: 'query',
        }),
      ],
      begin: () => orders.look(),
      whyNotReady: orders.whyUnreachable,
      end: async () => {
        projected?.watch.close();
        store?.close();
        events?.close();
        await orders.close();
      },
    };
  },
});
