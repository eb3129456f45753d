import type { Clock } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import { type GroupState, MoveRefused } from '@tillmesh/order-groups';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { createClient, toRpcError } from '@tillmesh/rpc';
import { GROUP_STATE } from './change-group-map.ts';

/** A change of the group map, asked of an order store. */
export type AskedChange = {
  readonly tag: GroupTag;
  readonly state: GroupState;
  readonly successor?: GroupTag | undefined;
  /** host:port of every node, for a new group. */
  readonly endpoints?: readonly string[];
  /** The version that whoever asks has seen. */
  readonly expectedVersion: number;
  readonly reason: string;
};

/** An operator's side of an order store. */
export type GroupMapClient = {
  /** How the groups fare, and the versions of the map that are consulted. */
  status(): ReturnType<ReturnType<typeof createClient<typeof OrderStoreService>>['getGroupStatus']>;
  /**
   * Resolves with the version in force, and the groups that could not be told yet.
   *
   * @throws {MoveRefused} where nothing was changed, with every reason.
   */
  change(change: AskedChange): Promise<{ readonly mapVersion: number; readonly waitingGroupTags: readonly number[] }>;
  close(): void;
};

/** Longer than every group may take to be told. */
const ANSWER_MS_MAX = 15_000;

/** Creates the client of the order store at this address. */
export const createGroupMapClient = (target: string, clock: Clock): GroupMapClient => {
  const store = createClient(OrderStoreService, { target, caller: 'groups', capMs: ANSWER_MS_MAX, clock });
  return {
    status: () => store.getGroupStatus({}),
    change: async ({ tag, state, successor, endpoints = [], expectedVersion, reason }) => {
      try {
        return await store.changeGroupMap({
          groupTag: tag,
          state: GROUP_STATE[state],
          ...(successor === undefined ? {} : { successorTag: successor }),
          endpoints: [...endpoints],
          expectedVersion,
          reason,
        });
      } catch (error) {
        const { reason: name, message } = toRpcError(error);
        if (name === 'MAP_CHANGE_REFUSED' || name === 'REQUEST_INVALID')
          throw new MoveRefused(message, { cause: error });
        throw error;
      }
    },
    close: () => store.close(),
  };
};
