import { LogConfig, ServerConfig, z } from '@tillmesh/config';
import { EventStoreConfig } from '@tillmesh/merchant-events';
import { ListStoreConfig } from '@tillmesh/merchant-lists';
import { OrderReadersConfig } from '@tillmesh/order-groups';

/** Lists are answered by a store of their own that follows the order groups. */
const ListsConfig = z
  .strictObject({
    store: ListStoreConfig.optional().describe(
      'Where the projector keeps the lists. Without it every list asks the groups.',
    ),
    lagMsMax: z
      .int()
      .min(100)
      .max(600_000)
      .default(2_000)
      .describe('Further behind than this the groups answer instead.'),
    lookEveryMs: z.int().min(50).max(10_000).default(250).describe('Between looks whether the store may be used.'),
    groupMsMax: z
      .int()
      .min(20)
      .max(1_000)
      .default(300)
      .describe('What a group may take for each of the two statements of a page; without it the page says so.'),
  })
  .prefault({})
  .describe('How lists of payments are answered.');

export const QueryConfig = z.strictObject({
  server: ServerConfig,
  logLevel: LogConfig,
  orders: OrderReadersConfig,
  lists: ListsConfig,
  events: z
    .strictObject({
      store: EventStoreConfig.optional().describe('Where the notifier keeps what merchants are told of.'),
      lookEveryMs: z
        .int()
        .min(20)
        .max(10_000)
        .default(200)
        .describe('Between looks for what is new, for each watcher.'),
    })
    .prefault({})
    .describe('How merchants are followed; without a store nobody can be.'),
});
