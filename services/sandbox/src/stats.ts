import type { ChannelName } from './script.ts';

/** Counts since the start of the process. */
export interface Stats {
  /** A request that reached an operation, by the channel's name of it. */
  request(channel: ChannelName, operation: string): void;
  /** A request that was refused because it was not proved who sent it. */
  refusedSignature(channel: ChannelName, reason: string): void;
  /** An exchange of an account begins. @returns to be called once when it is over. */
  exchange(accountId: string): () => void;
  /** Forgets the most exchanges that were under way at once; those that are under way count. */
  forgetMost(): void;
  read(): {
    readonly requests: Readonly<Record<string, Readonly<Record<string, number>>>>;
    readonly refusedSignatures: Readonly<Record<string, Readonly<Record<string, number>>>>;
    /** By account: exchanges under way now, and the most at once. */
    readonly exchanges: Readonly<Record<string, { readonly underWay: number; readonly most: number }>>;
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
  const exchanges = new Map<string, { underWay: number; most: number }>();
  return {
    request: requests.add,
    refusedSignature: refused.add,
    exchange: (accountId) => {
      const own = exchanges.get(accountId) ?? { underWay: 0, most: 0 };
      exchanges.set(accountId, own);
      own.underWay += 1;
      own.most = Math.max(own.most, own.underWay);
      return () => {
        own.underWay -= 1;
      };
    },
    forgetMost: () => {
      for (const own of exchanges.values()) own.most = own.underWay;
    },
    read: () => ({
      requests: requests.read(),
      refusedSignatures: refused.read(),
      exchanges: Object.fromEntries([...exchanges].map(([accountId, own]) => [accountId, { ...own }])),
    }),
  };
};
