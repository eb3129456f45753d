export { createFollowerPlaces } from './follower-places.ts';
export {
  createListStore,
  type ListStatus,
  type ListStore,
  type RebuildProgress,
  type RebuildSession,
  type StoredListQuestion,
  type StoredPage,
} from './list-store.ts';
export type { ListEntry } from './list-writer.ts';
export { ListStoreConfig } from './store-config.ts';
export { createStoreConnections, type StoreConnections } from './store-connections.ts';
export { lagMsOf, type StoreWatch, watchStore } from './store-watch.ts';
