export {
  type Chain,
  type Claimed,
  createEventStore,
  type DeadLetter,
  type Due,
  type EventFacts,
  type EventStore,
  GIVES_UP_AFTER_MS,
  KEPT_MS,
  type MerchantDeliveries,
  type NewEvent,
  type RecordedEvent,
  type Told,
} from './event-store.ts';
export { type EventRows, readEventRows } from './read-event.ts';
export { EventStoreConfig } from './store-config.ts';
