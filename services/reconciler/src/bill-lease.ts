import type { Clock } from '@tillmesh/clock';
import { type RedisConnection, redisScript } from '@tillmesh/delay-queue';
import { rpcErrors } from '@tillmesh/rpc';

/** How long a lease lasts without being renewed, and how often it is. */
export type LeaseTimes = { readonly leaseMs: number; readonly renewEveryMs: number };

export const LEASE_TIMES: LeaseTimes = { leaseMs: 10_000, renewEveryMs: 2_000 };

/** The right to compare one bill, and to act on what was found, as long as it lasts. */
export type BillLease = {
  /** Aborted when it is lost: another process may compare the bill from then on. */
  readonly signal: AbortSignal;
  /** To be called before each act: this process may have stood still since the signal was looked at. @throws {RpcError} DEPENDENCY_UNAVAILABLE where it is lost. */
  assertHeld(): void;
  /** Gives it back; one that cannot be given back ends by itself. */
  release(): Promise<void>;
};

/** Gives each bill to one process at a time. */
export type BillLeases = {
  /** Resolves when it can be known who has which bill. @throws {RpcError} DEPENDENCY_UNAVAILABLE where nobody can say. */
  known(signal: AbortSignal): Promise<void>;
  /** @throws {RpcError} LANE_FULL where another process has the bill; DEPENDENCY_UNAVAILABLE where nobody can say who has it. */
  take(bill: string): Promise<BillLease>;
};

/** Clocks of two machines may differ by this share over a lease. */
const CLOCK_MARGIN = 0.1;
const RETRY_AFTER_MS = 5_000;
const PREFIX = 'tillmesh:{bills}';

// A Redis that was emptied has forgotten who has which bill: for as long as a lease lasts it gives none, and until then every holder from before has noticed, or its lease has
// ended. KEYS[1]: since when this Redis knows. ARGV[1]: how long a lease lasts. Leaves in `wait` how long that is from now on, ms.
const UNTIL_KNOWN = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local since = redis.call('GET', KEYS[1])
since = since and tonumber(since)
if not since or since > now then
  redis.call('SET', KEYS[1], string.format('%d', now))
  since = now
end
local wait = since + tonumber(ARGV[1]) - now
`;
const KNOWN = redisScript('know bills', `${UNTIL_KNOWN}return math.max(wait, 0)`);
/** KEYS[2]: the lease. ARGV[2]: the holder. 0: given; above 0: so many ms to wait; -1: another has it. */
const TAKE = redisScript(
  'take bill',
  `${UNTIL_KNOWN}if wait > 0 then return wait end
if redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[1]) then return 0 end
return -1`,
);
const RENEW = redisScript(
  'renew bill',
  `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
);
const RELEASE = redisScript(
  'release bill',
  `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`,
);

const unknownHolder = (bill: string, cause?: unknown) =>
  rpcErrors.dependencyUnavailable(`nobody can say who compares ${bill}: it waits for Redis`, {
    retryAfterMs: RETRY_AFTER_MS,
    ...(cause === undefined ? {} : { cause }),
  });

/** Creates leases in Redis; whoever has one knows by its own clock how long it lasts. @param newHolder a name that nobody had before. */
export const createBillLeases = (deps: {
  readonly redis: RedisConnection;
  readonly newHolder: () => string;
  readonly clock: Clock;
  readonly times?: LeaseTimes;
}): BillLeases => {
  const { redis, newHolder, clock, times = LEASE_TIMES } = deps;
  const { leaseMs, renewEveryMs } = times;

  const hold = (bill: string, keys: readonly string[], holder: string, takenAtMs: number): BillLease => {
    const lost = new AbortController();
    const over = new AbortController();
    const endOf = (atMs: number): number => atMs + leaseMs * (1 - CLOCK_MARGIN);
    let endsAtMs = endOf(takenAtMs);
    const lose = (): void => {
      if (!over.signal.aborted) lost.abort(unknownHolder(bill));
      over.abort();
    };
    const keep = async (): Promise<void> => {
      while (!over.signal.aborted) {
        await clock.sleep(Math.min(renewEveryMs, Math.max(0, endsAtMs - clock.monotonicMs())), over.signal);
        const askedAtMs = clock.monotonicMs();
        if (askedAtMs >= endsAtMs) {
          lose();
          return;
        }
        try {
          const isRenewed = Number(await RENEW(redis, keys, [holder, leaseMs])) === 1;
          if (!isRenewed) lose();
          else endsAtMs = endOf(askedAtMs);
        } catch {
          // Redis is away: asked again until the lease ends by our own clock.
        }
      }
    };
    // It ends by an abort alone.
    keep().catch(() => undefined);
    return {
      signal: lost.signal,
      assertHeld: () => {
        if (clock.monotonicMs() >= endsAtMs) lose();
        lost.signal.throwIfAborted();
      },
      release: async () => {
        over.abort();
        await RELEASE(redis, keys, [holder]).catch(() => undefined);
      },
    };
  };

  const since = `${PREFIX}:since`;
  return {
    known: async (signal) => {
      for (;;) {
        const waitMs = Number(
          await KNOWN(redis, [since], [leaseMs]).catch((error: unknown) => {
            throw unknownHolder('a bill', error);
          }),
        );
        if (waitMs === 0) return;
        await clock.sleep(waitMs, signal);
      }
    },
    take: async (bill) => {
      const key = `${PREFIX}:lease:${bill}`;
      const holder = newHolder();
      const askedAtMs = clock.monotonicMs();
      const answer = await TAKE(redis, [since, key], [leaseMs, holder]).catch((error: unknown) => {
        throw unknownHolder(bill, error);
      });
      if (Number(answer) === 0) return hold(bill, [key], holder, askedAtMs);
      if (Number(answer) > 0) throw unknownHolder(bill);
      throw rpcErrors.laneFull(`another process compares ${bill}`, {
        metadata: { lane: 'comparisons' },
        retryAfterMs: RETRY_AFTER_MS,
      });
    },
  };
};

/** Leases of a process that has its folder to itself: nobody else could take a bill. */
export const unsharedLeases: BillLeases = {
  known: async () => undefined,
  take: async () => ({
    signal: new AbortController().signal,
    assertHeld: () => undefined,
    release: async () => undefined,
  }),
};
