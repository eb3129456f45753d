import type { Clock } from '@tillmesh/clock';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { createClient, type RpcClient, rpcErrors } from '@tillmesh/rpc';
import type { ChannelLanes } from './lanes.ts';

/** A channel's adapter, each with its own connection and lanes. */
export type Channel = {
  readonly channelId: string;
  readonly client: RpcClient<typeof ChannelService>;
  readonly lanes: ChannelLanes;
};

export type Channels = {
  /** @throws {RpcError} OPERATION_NOT_SUPPORTED where the configuration names no such channel. */
  of(channelId: string): Channel;
  close(): void;
};

const CAP_MS = 32_000;

/** Connects to every channel's adapter. */
export const connectChannels = (
  targets: readonly { readonly channelId: string; readonly target: string }[],
  lanesOf: (channelId: string) => ChannelLanes,
  clock: Clock,
): Channels => {
  const channels = new Map(
    targets.map(({ channelId, target }): [string, Channel] => [
      channelId,
      {
        channelId,
        client: createClient(ChannelService, { target, caller: 'cashier', capMs: CAP_MS, clock }),
        lanes: lanesOf(channelId),
      },
    ]),
  );
  return {
    of: (channelId) => {
      const channel = channels.get(channelId);
      if (channel === undefined) {
        throw rpcErrors.operationNotSupported(`no adapter is configured for channel ${channelId}`, {
          metadata: { channel_id: channelId },
        });
      }
      return channel;
    },
    close: () => {
      for (const { client } of channels.values()) client.close();
    },
  };
};
