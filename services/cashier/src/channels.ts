import type { Clock } from '@tillmesh/clock';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { createClients, type RpcClient, rpcErrors } from '@tillmesh/rpc';
import type { ChannelLanes } from './lanes.ts';
import { type ChannelProbe, probeByQuery } from './probe-channel.ts';

/** A channel's adapter, with its own connection and lanes. */
export type Channel = {
  readonly client: RpcClient<typeof ChannelService>;
  readonly lanes: ChannelLanes;
  /** Remembers an order that was sent, to ask about when the channel was sick. */
  readonly noteOrder: ChannelProbe['note'];
};

export type Channels = {
  /** @throws {RpcError} OPERATION_NOT_SUPPORTED where the configuration names no such channel. */
  of(channelId: string): Channel;
  /** Undefined where the configuration names no such channel. */
  find(channelId: string): Channel | undefined;
  close(): void;
};

/** Longer than any lane's own time-out, which is the one that counts. */
const CAP_MS = 32_000;

/** Connects to every channel's adapter. */
export const connectChannels = (
  targets: readonly { readonly channelId: string; readonly target: string }[],
  lanesOf: (channelId: string) => ChannelLanes,
  clock: Clock,
): Channels => {
  const clients = createClients(
    ChannelService,
    targets.map(({ channelId, target }) => ({ id: channelId, target })),
    { caller: 'cashier', capMs: CAP_MS },
  );
  const channels = new Map(
    clients.ids.flatMap((id): [string, Channel][] => {
      const client = clients.find(id);
      if (client === undefined) return [];
      const lanes = lanesOf(id);
      const { note, probe } = probeByQuery(client, clock);
      lanes.pay.setProbe(probe);
      return [[id, { client, lanes, noteOrder: note }]];
    }),
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
    find: (channelId) => channels.get(channelId),
    close: clients.close,
  };
};
