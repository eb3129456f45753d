import { type Clock, repeat } from '@tillmesh/clock';
import type { RedisConnection } from '@tillmesh/delay-queue';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import { ALLOCATE } from './allocation-script.ts';
import {
  type Agreed,
  agreedCalls,
  agreedRate,
  burstOfShare,
  CONTRACT_TIMES,
  type Contract,
  type ContractRefusal,
  type ContractTimes,
} from './contract.ts';
import { Slots } from './slots.ts';
import { type Token, Tokens } from './tokens.ts';

/** Clocks of two machines may differ by this share over a lease. */
const CLOCK_MARGIN = 0.1;

const shareGauge = gauge('tillmesh_contract_share', 'Calls under way that this process may have now.', ['account']);
const underWayGauge = gauge('tillmesh_contract_under_way', 'Calls under way now.', ['account']);
const rateGauge = gauge('tillmesh_contract_rate_share', 'Requests a second that this process may send now.', [
  'account',
]);
const waitingGauge = gauge('tillmesh_contract_waiting', 'Calls that wait for their place in a contract.', ['account']);
const emergencyGauge = gauge(
  'tillmesh_contract_emergency',
  '1 while there is no lease and only the emergency share is used.',
  ['account'],
);

/** What Redis answered: shares in the order in which they were asked for, and the grant's number. */
export type Grant = { readonly shares: readonly number[]; readonly number: number };

/** A call's place at the channel, and its right to send. */
export type Place = {
  /** True where it has a right to send in hand, or needs none. */
  readonly isReady: boolean;
  /** True where it is ready, or gets a right to send now. */
  readyToSend(): boolean;
  /** To be called in the moment before a request is written: undefined where it may be, otherwise why not. Each request is asked for. */
  whyNotSend(): ContractRefusal | undefined;
  /** The call is over; once. */
  release(): void;
};

/** A process's part of a contract. */
export type ContractLease = {
  /** A place for a call to the channel; undefined where the contract, or this process's part of it, is used up. */
  acquire(): Place | undefined;
  /** What a call would lack now. */
  whyNot(): ContractRefusal | undefined;
  /** How long until there is a right to send, if nobody else takes it; infinite where time alone brings none. */
  waitMs(): number;
  /** So many calls wait for a place: it is what this process wants more than it has. */
  setWaiting(count: number): void;
  /** A call has given up. */
  refuse(): void;
  /** Calls back when a place may have become free. */
  onFree(listener: () => void): void;
  /** Asks for new shares once; rejects where Redis is away. */
  refresh(): Promise<void>;
  /** True while there is no lease. */
  readonly isEmergency: boolean;
  /** Calls under way that it may have; undefined where nothing is agreed of them. */
  readonly callsShare: number | undefined;
  /** Thousandths of a request a second that it may send; undefined where nothing is agreed of them. */
  readonly rateShare: number | undefined;
};

/** What a holder says of one of the things that are divided. */
export type Divided = Agreed & { readonly has: number; readonly using: number; readonly demand: number };

/** The arguments of a request, for the script. */
export type AllocationRequest = {
  readonly holder: string;
  readonly replicasMax: number;
  readonly times: ContractTimes;
  readonly goesBy: number;
  readonly divided: readonly Divided[];
};

/** Asks Redis. Rejects where it is away. */
export type Allocate = (resource: string, request: AllocationRequest) => Promise<Grant>;

/** @param nowMs of Redis; its own clock unless told. */
export const argumentsOf = (request: AllocationRequest, nowMs: number | '' = ''): (string | number)[] => {
  const { holder, replicasMax, times, goesBy, divided } = request;
  return [holder, replicasMax, times.leaseMs, times.callMsMax, goesBy, JSON.stringify(divided), nowMs];
};

/** The script's answer. */
export const grantOf = (answer: unknown): Grant => {
  const [number, _learns, ...shares] = Array.isArray(answer) ? answer.map(Number) : [];
  if (number === undefined || shares.length === 0 || !shares.every((share) => share >= 0)) {
    throw new Error('Redis gave no grant');
  }
  return { shares, number };
};

/** Asks a Redis. */
export const allocateIn =
  (redis: RedisConnection): Allocate =>
  async (resource, request) =>
    grantOf(
      await redis.run('EVAL allocate', (client) =>
        client.eval(ALLOCATE, 1, `tillmesh:contract:{${resource}}`, ...argumentsOf(request)),
      ),
    );

/** One of the things that are divided, and this process's part of it. */
type Part = {
  readonly agreed: Agreed;
  has(): number;
  using(): number;
  takeDemand(nowMs: number): number;
  resize(share: number, atMs: number): void;
};

/**
 * A process's part of what a channel has agreed to. Without Redis its lease ends by its own clock, and the emergency shares are
 * left: never more than agreed, never nothing.
 */
export const createContractLease = (options: {
  readonly resource: string;
  readonly holder: string;
  readonly contract: Contract;
  readonly times?: ContractTimes;
  /** Undefined where there is no Redis at all. */
  readonly allocate: Allocate | undefined;
  readonly clock: Clock;
}): ContractLease => {
  const { resource, holder, contract, times = CONTRACT_TIMES, allocate, clock } = options;
  const startedAtMs = clock.monotonicMs();
  const calls = agreedCalls(contract);
  const rate = agreedRate(contract);
  // Calls of a process that died in this one's place may still be under way: it begins with nothing until Redis, which knows, has
  // given it something, or until they are over. Nor has it saved up anything.
  const slots = calls === undefined ? undefined : new Slots();
  const tokens = rate === undefined ? undefined : new Tokens((share) => burstOfShare(contract, share), startedAtMs);
  const parts: Part[] = [];
  if (calls !== undefined && slots !== undefined) {
    parts.push({
      agreed: calls,
      has: () => slots.share,
      using: () => slots.underWay,
      takeDemand: () => slots.takeDemand(),
      resize: (share) => slots.resize(share),
    });
  }
  if (rate !== undefined && tokens !== undefined) {
    parts.push({
      agreed: rate,
      has: () => tokens.share,
      using: () => 0,
      takeDemand: (nowMs) => tokens.takeDemand(nowMs),
      resize: (share, atMs) => tokens.resize(share, atMs),
    });
  }
  const emergencyFromMs = startedAtMs + times.callMsMax;
  let lease: { readonly endsAtMs: number } | undefined;
  let hasEmergency = false;
  let hadLease = false;
  let leasesOver = 0;
  let number = 0;
  let waiting = 0;
  let onFree = (): void => undefined;

  /** By the clock and not by a timer: a process that stood still must not begin a call with a lease that is over. */
  const endIfOver = (): number => {
    const nowMs = clock.monotonicMs();
    if (hasEmergency || (lease !== undefined && nowMs < lease.endsAtMs)) return nowMs;
    // What a share of the rate has brought until its end is still its own; from then on less comes.
    const fromMs = lease?.endsAtMs ?? nowMs;
    if (lease !== undefined) leasesOver += 1;
    lease = undefined;
    hasEmergency = hadLease || nowMs >= emergencyFromMs;
    for (const { agreed, resize } of parts) {
      // Where nobody leases, nothing is lent: an equal part for each.
      resize(!hasEmergency ? 0 : allocate === undefined ? agreed.equalPart : agreed.emergency, fromMs);
    }
    return nowMs;
  };
  const show = (): void => {
    const about = { account: resource };
    if (slots !== undefined) {
      shareGauge.set(about, slots.share);
      underWayGauge.set(about, slots.underWay);
    }
    if (tokens !== undefined) rateGauge.set(about, tokens.share / 1_000);
    waitingGauge.set(about, waiting);
    emergencyGauge.set(about, lease === undefined ? 1 : 0);
  };

  const placeWith = (first: Token | undefined): Place => {
    const takenAfter = leasesOver;
    let token = first;
    let isHeld = true;
    const isReady = (): boolean => tokens === undefined || token?.isGood === true;
    const readyAt = (nowMs: number): boolean => {
      if (isReady()) return true;
      token = tokens?.take(nowMs);
      return token !== undefined;
    };
    return {
      get isReady() {
        endIfOver();
        return isReady();
      },
      readyToSend: () => readyAt(endIfOver()),
      whyNotSend: () => {
        const nowMs = endIfOver();
        // Its place was of a lease that is over, and may be somebody else's by now.
        if (slots !== undefined && takenAfter !== leasesOver && slots.underWay > slots.share) return 'contract_full';
        if (tokens === undefined) return undefined;
        if (!readyAt(nowMs) || token === undefined || !tokens.use(token, nowMs)) return 'contract_rate';
        // What was in hand takes no room any more, and the next one comes.
        onFree();
        return undefined;
      },
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        if (token !== undefined) tokens?.giveBack(token, endIfOver());
        slots?.giveBack();
        onFree();
      },
    };
  };

  return {
    get isEmergency() {
      endIfOver();
      return lease === undefined;
    },
    get callsShare() {
      return slots?.share;
    },
    get rateShare() {
      return tokens?.share;
    },
    acquire: () => {
      const nowMs = endIfOver();
      if (slots?.isFull === true) return undefined;
      const token = tokens?.take(nowMs);
      if (tokens !== undefined && token === undefined) return undefined;
      slots?.take();
      return placeWith(token);
    },
    whyNot: () => {
      const nowMs = endIfOver();
      if (slots?.isFull === true) return 'contract_full';
      return tokens !== undefined && tokens.waitMs(nowMs) > 0 ? 'contract_rate' : undefined;
    },
    waitMs: () => tokens?.waitMs(endIfOver()) ?? Number.POSITIVE_INFINITY,
    setWaiting: (count) => {
      waiting = count;
      slots?.setWaiting(count);
      tokens?.setWaiting(count);
    },
    refuse: () => {
      slots?.refuse();
      tokens?.refuse();
    },
    onFree: (listener) => {
      onFree = listener;
    },
    refresh: async () => {
      endIfOver();
      show();
      if (allocate === undefined) return;
      // From before the question: the lease begins when Redis answers it, which is later.
      const askedAtMs = clock.monotonicMs();
      const grant = await allocate(resource, {
        holder,
        replicasMax: contract.replicasMax,
        times,
        goesBy: number,
        divided: parts.map(({ agreed, has, using, takeDemand }) => ({
          ...agreed,
          has: has(),
          using: using(),
          demand: takeDemand(askedAtMs),
        })),
      });
      const nowMs = clock.monotonicMs();
      const endsAtMs = askedAtMs + times.leaseMs * (1 - CLOCK_MARGIN);
      // An answer that took as long as the lease, or that a later one has overtaken, says nothing.
      if (nowMs >= endsAtMs || (grant.number !== 0 && grant.number <= number)) return;
      // While it was asked the lease may have ended; from then until now less came.
      endIfOver();
      // Number 0: every seat is taken by processes that are there or have just died. That holds like a lease, of nothing.
      number = Math.max(number, grant.number);
      hadLease ||= grant.number !== 0;
      lease = { endsAtMs };
      hasEmergency = false;
      parts.forEach(({ resize }, index) => resize(grant.shares[index] ?? 0, nowMs));
      show();
      onFree();
    },
  };
};

/** Keeps leases fresh until the signal is aborted. */
export const keepLeases = async (options: {
  readonly leases: readonly ContractLease[];
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> => {
  const { leases, everyMs, clock, log, signal } = options;
  await withoutSpans(() =>
    repeat({
      clock,
      everyMs,
      signal,
      task: async () => {
        const ended = await Promise.allSettled(leases.map((lease) => lease.refresh()));
        const failure = ended.find(({ status }) => status === 'rejected');
        if (failure?.status === 'rejected') throw failure.reason;
      },
      onError: (error) => log.warn({ err: error }, 'Redis gives no leases; contracts are kept by emergency shares'),
    }),
  );
};
