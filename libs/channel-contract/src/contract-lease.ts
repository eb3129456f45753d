import { type Clock, repeat } from '@tillmesh/clock';
import type { RedisConnection } from '@tillmesh/delay-queue';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import { ALLOCATE } from './allocation-script.ts';
import { type Slot, Slots } from './slots.ts';

/** What a channel has agreed to for one of its accounts. */
export type Contract = {
  /** Calls under way at once, over all replicas. */
  readonly concurrencyMax: number;
  /** Processes that may call it at most, a rollout included: each always has its emergency share. */
  readonly replicasMax: number;
};

export type ContractTimes = {
  readonly leaseMs: number;
  readonly refreshMs: number;
  /** A call is over after this, whatever happened: its socket is gone. */
  readonly callMsMax: number;
};

export const CONTRACT_TIMES: ContractTimes = { leaseMs: 10_000, refreshMs: 3_000, callMsMax: 40_000 };

/** Clocks of two machines may differ by this share over a lease. */
const CLOCK_MARGIN = 0.1;

const shareGauge = gauge('tillmesh_contract_share', 'Calls under way that this process may have now.', ['account']);
const underWayGauge = gauge('tillmesh_contract_under_way', 'Calls under way now.', ['account']);
const emergencyGauge = gauge(
  'tillmesh_contract_emergency',
  '1 while there is no lease and only the emergency share is used.',
  ['account'],
);

/**
 * What each process may always use, without asking anybody: half of an equal part. The other half makes the division follow the
 * demand, and keeps replicas that are away from costing a whole part.
 */
export const emergencyShareOf = ({ concurrencyMax, replicasMax }: Contract): number =>
  Math.floor(concurrencyMax / (2 * replicasMax));

/** What Redis answered: a share, the grant's number, whether it is learning. */
export type Grant = { readonly share: number; readonly number: number };

/** A process's part of a contract. */
export type ContractLease = {
  /** A place for a call to the channel; undefined where the contract, or this process's part of it, is used up. */
  acquire(): Slot | undefined;
  /** Asks for a new share once; rejects where Redis is away. */
  refresh(): Promise<void>;
  /** True while there is no lease. */
  readonly isEmergency: boolean;
  readonly slots: Pick<Slots, 'share' | 'underWay' | 'refused'>;
};

/** The arguments of a request, for the script. */
export type AllocationRequest = {
  readonly holder: string;
  readonly contract: Contract;
  readonly times: ContractTimes;
  readonly goesBy: number;
  readonly has: number;
  readonly underWay: number;
  readonly demand: number;
};

/** Asks Redis. Rejects where it is away. */
export type Allocate = (resource: string, request: AllocationRequest) => Promise<Grant>;

/** @param nowMs of Redis; its own clock unless told. */
export const argumentsOf = (request: AllocationRequest, nowMs: number | '' = ''): (string | number)[] => {
  const { holder, contract, times, goesBy, has, underWay, demand } = request;
  const { concurrencyMax, replicasMax } = contract;
  const emergency = emergencyShareOf(contract);
  const fixed = [holder, concurrencyMax, replicasMax, emergency, times.leaseMs, times.callMsMax];
  return [...fixed, goesBy, has, underWay, demand, nowMs];
};

/** The script's answer. */
export const grantOf = (answer: unknown): Grant => {
  const [share, number] = Array.isArray(answer) ? answer.map(Number) : [];
  if (share === undefined || number === undefined || !(share >= 0)) throw new Error('Redis gave no grant');
  return { share, number };
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

/**
 * A process's part of what a channel has agreed to. Without Redis its lease ends by its own clock, and the emergency share is
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
  // Where nobody leases, nothing is lent: an equal part for each.
  const { concurrencyMax, replicasMax } = contract;
  const emergency = allocate === undefined ? Math.floor(concurrencyMax / replicasMax) : emergencyShareOf(contract);
  // Calls of a process that died in this one's place may still be under way: it begins with nothing until Redis, which knows, has
  // given it something, or until they are over.
  const slots = new Slots(0);
  const emergencyFromMs = clock.monotonicMs() + times.callMsMax;
  let lease: { readonly endsAtMs: number } | undefined;
  let hadLease = false;
  let number = 0;

  /** By the clock and not by a timer: a process that stood still must not begin a call with a lease that is over. */
  const endIfOver = (): void => {
    const nowMs = clock.monotonicMs();
    if (lease !== undefined && nowMs < lease.endsAtMs) return;
    lease = undefined;
    slots.resize(hadLease || nowMs >= emergencyFromMs ? emergency : 0);
  };
  const show = (): void => {
    shareGauge.set({ account: resource }, slots.share);
    underWayGauge.set({ account: resource }, slots.underWay);
    emergencyGauge.set({ account: resource }, lease === undefined ? 1 : 0);
  };

  return {
    slots,
    get isEmergency() {
      endIfOver();
      return lease === undefined;
    },
    acquire: () => {
      endIfOver();
      return slots.acquire();
    },
    refresh: async () => {
      endIfOver();
      show();
      if (allocate === undefined) return;
      // From before the question: the lease begins when Redis answers it, which is later.
      const askedAtMs = clock.monotonicMs();
      const grant = await allocate(resource, {
        holder,
        contract,
        times,
        goesBy: number,
        has: slots.share,
        underWay: slots.underWay,
        demand: slots.takeDemand(),
      });
      const endsAtMs = askedAtMs + times.leaseMs * (1 - CLOCK_MARGIN);
      // An answer that took as long as the lease, or that a later one has overtaken, says nothing.
      if (clock.monotonicMs() >= endsAtMs || (grant.number !== 0 && grant.number <= number)) return;
      // Number 0: every seat is taken by processes that are there or have just died. That holds like a lease, of nothing.
      number = Math.max(number, grant.number);
      hadLease ||= grant.number !== 0;
      lease = { endsAtMs };
      slots.resize(grant.share);
      show();
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
