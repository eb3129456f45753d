import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { MerchantId } from '@tillmesh/domain';
import type { OpenItem, OpenWorkPlace, OrderGroups } from '@tillmesh/order-groups';
import type {
  ListOpenWorkRequest,
  ListOpenWorkResponseSchema,
  OpenItemSchema,
} from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { rpcErrors } from '@tillmesh/rpc';

const TOKEN = /^(?<tag>\d{1,3})\.(?<kind>payment|refund)\.(?<after>\d{1,20})$/;

/** A place as the token of the next page, and back. @throws {RpcError} REQUEST_INVALID */
export const tokenOf = ({ tag, kind, after }: OpenWorkPlace): string => `${tag}.${kind}.${after}`;
export const placeOf = (token: string): OpenWorkPlace | undefined => {
  if (token === '') return undefined;
  const { tag, kind, after } = TOKEN.exec(token)?.groups ?? {};
  if (tag === undefined || after === undefined) {
    throw rpcErrors.requestInvalid('page_token is not one that an earlier page gave; begin without it');
  }
  return { tag: Number(tag), kind: kind === 'refund' ? 'refund' : 'payment', after: BigInt(after) };
};

const itemToWire = (item: OpenItem): MessageInitShape<typeof OpenItemSchema> => ({
  item: { case: item.kind === 'payment' ? 'orderNo' : 'refundNo', value: item.number },
  merchantId: item.merchantId,
  channelId: item.channelId,
  state: item.state,
  createdAt: timestampFromMs(item.createdAtMs),
  nextCheckAt: timestampFromMs(item.nextCheckAtMs),
  checkCount: item.checkCount,
  needsPerson: item.needsPerson,
});

/** A page of what is not at its end. */
export const listOpenWork = async (
  orders: OrderGroups,
  request: ListOpenWorkRequest,
): Promise<MessageInitShape<typeof ListOpenWorkResponseSchema>> => {
  const filter = {
    channelId: request.channelId === '' ? undefined : request.channelId,
    merchantId: request.merchantId === '' ? undefined : (request.merchantId as MerchantId),
    createdBeforeMs: request.createdBefore === undefined ? undefined : timestampMs(request.createdBefore),
  };
  const { items, next, unreachable } = await orders.listOpenWork(filter, placeOf(request.pageToken), request.pageSize);
  return {
    items: items.map(itemToWire),
    nextPageToken: next === undefined ? '' : tokenOf(next),
    unreachableGroupTags: [...unreachable],
  };
};
