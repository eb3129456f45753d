import type { ChannelName } from './script.ts';

/** Counts since the start of the process. */
export interface Stats {
  /** A request that reached an operation, by the channel's name of it. */
  request(channel: ChannelName, operation: string): void;
  /** A request that was refused because it was not proved who sent it. */
  refusedSignature(channel: ChannelName, reason: string): void;
  read(): {
    readonly requests: Readonly<Record<string, Readonly<Record<string, number>>>>;
    readonly refusedSignatures: Readonly<Record<string, Readonly<Record<string, number>>>>;
  };
}

const createCounts = () => {
  const counts = new Map<ChannelName, Map<string, number>>();
  return {
    add: (channel: ChannelName, name: string) => {
      const ofChannel = counts.get(channel) ?? new Map<string, number>();
      ofChannel.set(name, (ofChannel.get(name) ?? 0) + 1);
      counts.set(channel, ofChannel);
    },
    read: () => Object.fromEntries([...counts].map(([channel, of]) => [channel, Object.fromEntries(of)])),
  };
};

export const createStats = (): Stats => {
  const requests = createCounts();
  const refused = createCounts();
  return {
    request: requests.add,
    refusedSignature: refused.add,
    read: () => ({ requests: requests.read(), refusedSignatures: refused.read() }),
  };
};
