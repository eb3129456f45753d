import type { MessageInitShape } from '@bufbuild/protobuf';
import { parseGroupTag } from '@tillmesh/domain';
import type { GroupState as GroupStateName, OrderGroups } from '@tillmesh/order-groups';
import {
  type ChangeGroupMapRequest,
  type ChangeGroupMapResponseSchema,
  GroupState,
} from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { rpcErrors } from '@tillmesh/rpc';

export const GROUP_STATE = {
  open: GroupState.OPEN,
  closed: GroupState.CLOSED,
  migrating: GroupState.MIGRATING,
  retired: GroupState.RETIRED,
} as const;

const stateOf = (state: GroupState): GroupStateName | undefined =>
  (Object.keys(GROUP_STATE) as GroupStateName[]).find((name) => GROUP_STATE[name] === state);

const endpointOf = (text: string): { readonly host: string; readonly port: number } => {
  const [, host, port] = /^([0-9A-Za-z.-]+):([0-9]{1,5})$/.exec(text) ?? [];
  if (host === undefined || port === undefined) {
    throw rpcErrors.requestInvalid(`the endpoint ${text.slice(0, 80)} is not host:port`);
  }
  return { host, port: Number(port) };
};

/**
 * Changes one group of the map.
 *
 * @throws {RpcError} MAP_CHANGE_REFUSED with every reason; nothing was changed then.
 */
export const changeGroupMap = async (
  orders: OrderGroups,
  request: ChangeGroupMapRequest,
): Promise<MessageInitShape<typeof ChangeGroupMapResponseSchema>> => {
  const tag = parseGroupTag(request.groupTag);
  const state = stateOf(request.state);
  if (tag === undefined || state === undefined) throw rpcErrors.requestInvalid('group_tag and state have to be set');
  const successor = state === 'migrating' || state === 'retired' ? parseGroupTag(request.successorTag) : undefined;
  const changed = await orders.changeMap({
    tag,
    state,
    endpoints: request.endpoints.map(endpointOf),
    ...(successor === undefined ? {} : { successor }),
    expectedVersion: request.expectedVersion,
    reason: request.reason,
  });
  switch (changed.kind) {
    case 'refused':
      throw rpcErrors.mapChangeRefused(changed.why.join('; '));
    case 'begun':
      return { mapVersion: request.expectedVersion + 1, waitingGroupTags: [...changed.missing] };
    case 'changed':
      return { mapVersion: changed.map.version };
  }
};
