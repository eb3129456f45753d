import type { ChannelName, Operation } from './script.ts';

type AtOnce = { readonly underWay: number; readonly most: number };

/** Counts since the start of the process. */
export interface Stats {
  /** A request that reached an operation, by the channel's name of it. */
  request(channel: ChannelName, operation: string): void;
  /** A request that was refused because it was not proved who sent it. */
  refusedSignature(channel: ChannelName, reason: string): void;
  /** An exchange of an account begins. @returns to be called once when it is over. */
  exchange(accountId: string, operation: Operation): () => void;
  /** Forgets the most exchanges that were under way at once; those that are under way count. */
  forgetMost(): void;
  read(): {
    readonly requests: Readonly<Record<string, Readonly<Record<string, number>>>>;
    readonly refusedSignatures: Readonly<Record<string, Readonly<Record<string, number>>>>;
    /** By account: exchanges under way now, and the most at once; `paying` of them ask for money. */
    readonly exchanges: Readonly<Record<string, AtOnce & { readonly paying: AtOnce }>>;
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

/** How many are under way, and the most there were at once. */
const createAtOnce = () => {
  let [underWay, most] = [0, 0];
  return {
    begin: () => {
      underWay += 1;
      most = Math.max(most, underWay);
    },
    end: () => {
      underWay -= 1;
    },
    forgetMost: () => {
      most = underWay;
    },
    read: (): AtOnce => ({ underWay, most }),
  };
};

export const createStats = (): Stats => {
  const requests = createCounts();
  const refused = createCounts();
  const exchanges = new Map<string, { readonly all: AtOnceCount; readonly paying: AtOnceCount }>();
  return {
    request: requests.add,
    refusedSignature: refused.add,
    exchange: (accountId, operation) => {
      const own = exchanges.get(accountId) ?? { all: createAtOnce(), paying: createAtOnce() };
      exchanges.set(accountId, own);
      const counts = operation === 'pay' ? [own.all, own.paying] : [own.all];
      for (const count of counts) count.begin();
      return () => {
        for (const count of counts) count.end();
      };
    },
    forgetMost: () => {
      for (const { all, paying } of exchanges.values()) for (const count of [all, paying]) count.forgetMost();
    },
    read: () => ({
      requests: requests.read(),
      refusedSignatures: refused.read(),
      exchanges: Object.fromEntries(
        [...exchanges].map(([accountId, { all, paying }]) => [accountId, { ...all.read(), paying: paying.read() }]),
      ),
    }),
  };
};

type AtOnceCount = ReturnType<typeof createAtOnce>;
