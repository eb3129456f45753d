import type { Clock } from '@tillmesh/clock';
import type { ChannelName, Operation } from './script.ts';

type AtOnce = { readonly underWay: number; readonly most: number };

/** Of an account: exchanges under way now and the most at once, all of them, and the most that began within some time. */
export type ExchangeCounts = AtOnce & {
  /** Those that ask for money. */
  readonly paying: AtOnce;
  readonly total: number;
  readonly mostInSecond: number;
  readonly mostInTenSeconds: number;
};

/** Counts since the start of the process. */
export interface Stats {
  /** A request that reached an operation, by the channel's name of it. */
  request(channel: ChannelName, operation: string): void;
  /** A request that was refused because it was not proved who sent it. */
  refusedSignature(channel: ChannelName, reason: string): void;
  /** An exchange of an account begins. @returns to be called once when it is over. */
  exchange(accountId: string, operation: Operation): () => void;
  /** Forgets the most exchanges that were under way at once, and that began within some time; those that are under way count. */
  forgetMost(): void;
  read(): {
    readonly requests: Readonly<Record<string, Readonly<Record<string, number>>>>;
    readonly refusedSignatures: Readonly<Record<string, Readonly<Record<string, number>>>>;
    /** By account. */
    readonly exchanges: Readonly<Record<string, ExchangeCounts>>;
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

/** How many came within some time, at most. */
class WindowCount {
  readonly #windowMs: number;
  /** When each came; those from before the window are in front of `#first`. */
  #times: number[] = [];
  #first = 0;
  most = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  came(nowMs: number): void {
    this.#times.push(nowMs);
    while ((this.#times[this.#first] ?? nowMs) <= nowMs - this.#windowMs) this.#first += 1;
    this.most = Math.max(this.most, this.#times.length - this.#first);
    if (this.#first < this.#times.length / 2) return;
    this.#times = this.#times.slice(this.#first);
    this.#first = 0;
  }

  forget(): void {
    this.most = 0;
    this.#times = [];
    this.#first = 0;
  }
}

/** How many are under way, and the most there were at once. */
class AtOnceCount {
  underWay = 0;
  most = 0;

  begin(): void {
    this.underWay += 1;
    this.most = Math.max(this.most, this.underWay);
  }

  end(): void {
    this.underWay -= 1;
  }

  forgetMost(): void {
    this.most = this.underWay;
  }

  read(): AtOnce {
    return { underWay: this.underWay, most: this.most };
  }
}

const createExchanges = () => ({
  total: 0,
  all: new AtOnceCount(),
  paying: new AtOnceCount(),
  inSecond: new WindowCount(1_000),
  inTenSeconds: new WindowCount(10_000),
});

export const createStats = (clock: Clock): Stats => {
  const requests = createCounts();
  const refused = createCounts();
  const exchanges = new Map<string, ReturnType<typeof createExchanges>>();
  return {
    request: requests.add,
    refusedSignature: refused.add,
    exchange: (accountId, operation) => {
      const own = exchanges.get(accountId) ?? createExchanges();
      exchanges.set(accountId, own);
      own.total += 1;
      const counts = operation === 'pay' ? [own.all, own.paying] : [own.all];
      for (const count of counts) count.begin();
      const nowMs = clock.monotonicMs();
      own.inSecond.came(nowMs);
      own.inTenSeconds.came(nowMs);
      return () => {
        for (const count of counts) count.end();
      };
    },
    forgetMost: () => {
      for (const { all, paying, inSecond, inTenSeconds } of exchanges.values()) {
        for (const count of [all, paying]) count.forgetMost();
        for (const window of [inSecond, inTenSeconds]) window.forget();
      }
    },
    read: () => ({
      requests: requests.read(),
      refusedSignatures: refused.read(),
      exchanges: Object.fromEntries(
        [...exchanges].map(([accountId, { total, all, paying, inSecond, inTenSeconds }]) => [
          accountId,
          {
            ...all.read(),
            total,
            mostInSecond: inSecond.most,
            mostInTenSeconds: inTenSeconds.most,
            paying: paying.read(),
          },
        ]),
      ),
    }),
  };
};
