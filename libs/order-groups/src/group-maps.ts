import type { Deadline } from './connection.ts';
import type { GroupMap } from './group-map.ts';

/** The map to place new orders by, and those that it has replaced within the idempotency window. */
export type MapView = {
  readonly map: GroupMap;
  /** Newest first. A number may have its order where one of these placed it. */
  readonly earlier: readonly GroupMap[];
};

/** What is known of the group map at this moment. */
export type GroupMaps = {
  current(): MapView;
  /** True as soon as a newer version than this one is known; false at the deadline. */
  newerThan(version: number, deadline: Deadline): Promise<boolean>;
};
