import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { createClients, type RpcClient, rpcErrors } from '@tillmesh/rpc';
import type { ChannelLanes } from './lanes.ts';

/** A channel's adapter, with its own connection and lanes. */
export type Channel = {
  readonly client: RpcClient<typeof ChannelService>;
  readonly lanes: ChannelLanes;
};

export type Channels = {
  /** @throws {RpcError} OPERATION_NOT_SUPPORTED where the configuration names no such channel. */
  of(channelId: string): Channel;
  close(): void;
};

/** Longer than any lane's own time-out, which is the one that counts. */
const CAP_MS = 32_000;

/** Connects to every channel's adapter. */
export const connectChannels = (
  targets: readonly { readonly channelId: string; readonly target: string }[],
  lanesOf: (channelId: string) => ChannelLanes,
): Channels => {
  const clients = createClients(
    ChannelService,
    targets.map(({ channelId, target }) => ({ id: channelId, target })),
    { caller: 'cashier', capMs: CAP_MS },
  );
  const lanes = new Map(clients.ids.map((id) => [id, lanesOf(id)]));
  return {
    of: (channelId) => {
      const client = clients.find(channelId);
      const own = lanes.get(channelId);
      if (client === undefined || own === undefined) {
        throw rpcErrors.operationNotSupported(`no adapter is configured for channel ${channelId}`, {
          metadata: { channel_id: channelId },
        });
      }
      return { client, lanes: own };
    },
    close: clients.close,
  };
};
