/** What a channel has agreed to for one of its accounts. What is left out is not limited. */
export type Contract = {
  /** Calls under way at once, over all replicas. */
  readonly concurrencyMax?: number | undefined;
  /** Requests a second, over all replicas: in any T seconds at most `perSecond * T + burst`. */
  readonly perSecond?: number | undefined;
  readonly burst?: number | undefined;
  /** Processes that may call it at most, a rollout included: each always has its emergency shares. */
  readonly replicasMax: number;
};

export type ContractTimes = {
  readonly leaseMs: number;
  readonly refreshMs: number;
  /** A call is over after this, whatever happened: its socket is gone. */
  readonly callMsMax: number;
};

export const CONTRACT_TIMES: ContractTimes = { leaseMs: 10_000, refreshMs: 3_000, callMsMax: 40_000 };

/** Why a call may not be sent. */
export type ContractRefusal = 'contract_full' | 'contract_rate';

/** One of the things that are divided, in whole numbers. */
export type Agreed = {
  readonly name: 'calls' | 'rate';
  /** Of all processes together. Calls; or thousandths of a request a second. */
  readonly agreed: number;
  /** What each process may always use, without asking anybody. */
  readonly emergency: number;
  /** What each has where nobody leases. */
  readonly equalPart: number;
  /** True where what was begun goes on after its lease, for as long as a call may take. */
  readonly lasts: boolean;
};

/**
 * Of an equal part, as a fraction of whole numbers: what every seat keeps without Redis. More than half, so that a channel without
 * Redis does more than half of its work also in the gaps between calls; the rest follows the demand.
 */
const EMERGENCY = { of: 10, share: 6 } as const;

const agreedOf = (name: Agreed['name'], agreed: number, replicasMax: number, lasts: boolean): Agreed => {
  const equalPart = Math.floor(agreed / replicasMax);
  // Rounded up, because a whole call is much of a small part; an equal part for each is still no more than all of it.
  const sixTenths = Math.ceil((agreed * EMERGENCY.share) / (replicasMax * EMERGENCY.of));
  return { name, agreed, emergency: Math.min(equalPart, sixTenths), equalPart, lasts };
};

/** Calls under way at once; undefined where nothing is agreed of them. */
export const agreedCalls = ({ concurrencyMax, replicasMax }: Contract): Agreed | undefined =>
  concurrencyMax === undefined ? undefined : agreedOf('calls', concurrencyMax, replicasMax, true);

/** Requests a second, in thousandths; undefined where nothing is agreed of them. */
export const agreedRate = ({ perSecond, replicasMax }: Contract): Agreed | undefined =>
  perSecond === undefined ? undefined : agreedOf('rate', Math.floor(perSecond * 1_000), replicasMax, false);

/** What may be saved up of a share of the rate: the same share of the burst, in millionths of a request. */
export const burstOfShare = ({ perSecond = 1, burst = 0 }: Contract, share: number): number =>
  Math.floor((share * burst * 1_000) / perSecond);

/** Whether every process can do something without Redis; otherwise what has to change. */
export const whyUnworkable = (contract: Contract): string | undefined => {
  const { concurrencyMax, perSecond, burst, replicasMax } = contract;
  if (concurrencyMax === undefined && perSecond === undefined) return 'says neither concurrencyMax nor perSecond';
  if ((perSecond === undefined) !== (burst === undefined)) return 'perSecond and burst belong together';
  const calls = agreedCalls(contract);
  if (calls !== undefined && calls.emergency < 1) {
    return 'concurrencyMax has to be at least replicasMax, or a process without Redis could make no call';
  }
  const rate = agreedRate(contract);
  if (rate !== undefined && rate.emergency < 1) return `perSecond has to be at least ${replicasMax / 1_000}`;
  if (rate !== undefined && burstOfShare(contract, rate.emergency) < 1_000_000) {
    const least = Math.ceil((replicasMax * EMERGENCY.of) / EMERGENCY.share);
    return `burst has to be at least ${least} for ${replicasMax} replicas, or a process without Redis could never send a request`;
  }
  return undefined;
};
