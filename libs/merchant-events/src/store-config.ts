import type { z } from '@tillmesh/config';
import { ListStoreConfig } from '@tillmesh/merchant-lists';

/** Where merchants' events are kept; part of the configuration of who tells merchants and of who lets them watch. */
export const EventStoreConfig = ListStoreConfig.extend({
  database: ListStoreConfig.shape.database.default('tillmesh_events'),
}).describe('The store of the events that merchants are told of.');
export type EventStoreConfig = z.output<typeof EventStoreConfig>;
