import type { Clock } from '@tillmesh/clock';
import { createSwitch, type NetworkSwitch, startTcpProxy } from '@tillmesh/local-stack';
import type { FurtherChannel, MeshProcess } from './mesh-plan.ts';

/** The switches between the mesh and its channels' processes. */
export type ChannelSwitches = {
  /** @throws {Error} where the channel was not started with `switched`. */
  of(channelId: string): NetworkSwitch;
  close(): Promise<void>;
};

/** Opens one for each channel that shall have one. */
export const openSwitches = async (
  channels: readonly FurtherChannel[],
  processes: readonly MeshProcess[],
  clock: Clock,
): Promise<ChannelSwitches> => {
  const proxies = new Map(
    await Promise.all(
      channels
        .filter(({ switched }) => switched === true)
        .map(async ({ channelId }) => {
          const process = processes.find(({ service }) => service === `channel-${channelId}`);
          if (process === undefined) throw new Error(`channel ${channelId} has no process`);
          const { port, clientPort } = process;
          return [channelId, await startTcpProxy({ clock, port: clientPort, targetPort: () => port })] as const;
        }),
    ),
  );
  return {
    of: (channelId) => {
      const proxy = proxies.get(channelId);
      if (proxy === undefined) throw new Error(`channel ${channelId} has no switch: start it with switched`);
      return createSwitch(proxy.set);
    },
    close: async () => {
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
    },
  };
};
