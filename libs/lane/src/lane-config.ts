/** The numbers of one lane: reading them is reading what a sick neighbour can cost. */
export type LaneConfig = {
  /** Which neighbour and which kind of call, such as `channel-wechat.pay`. */
  readonly name: string;
  /** Calls under way at once. */
  readonly concurrentMax: number;
  /** Calls that wait for a place. 0 sheds at once. */
  readonly queuedMax: number;
  /** The longest wait for a place, ms. */
  readonly queueWaitMsMax: number;
  /** The longest a call may take, ms; its signal is aborted then. */
  readonly timeoutMs: number;
  /** It opens when more than this share of the calls of the last ten seconds failed. Default: 0.5. */
  readonly failureShareMax?: number;
  /** Calls that take longer than this are slow, ms. Default: the lane's time-out, so that none is. */
  readonly slowMs?: number;
  /** It opens when more than this share of the calls of the last ten seconds was slow or failed. Default: 1, so that slow ones never open it. */
  readonly slowShareMax?: number;
  /** It has no opinion before this many calls in ten seconds. Default: 10. */
  readonly callsMin?: number;
  /** From opening to the first probe, ms. */
  readonly halfOpenAfterMs: number;
  /** Nothing is called a stall before nothing has come back for this long, ms. Default: 1,000. */
  readonly stallMsMin?: number;
  /** The most that one merchant may have of places and queue while others call as well. Above 0, at most 1. Default: 0.75. */
  readonly merchantShareMax?: number;
  /** Merchants with another weight than 1: one of weight 2 gets twice what one of 1 gets. */
  readonly merchantWeights?: Readonly<Record<string, number>>;
};

/** Limits that can be changed while the lane works. */
export type LaneLimits = Pick<LaneConfig, 'concurrentMax' | 'queuedMax' | 'queueWaitMsMax' | 'timeoutMs'>;

/** Limits that make no sense; the lane keeps those it has. */
export class LaneLimitsInvalid extends RangeError {
  override readonly name = 'LaneLimitsInvalid';
}

export type LaneCall = {
  /** The caller's own signal: aborted while waiting, the call leaves the queue at once. */
  readonly signal?: AbortSignal | undefined;
  /** What is left of the caller's budget, ms; the lane takes the smaller of it and its own time-out. */
  readonly budgetMs?: number;
  /** Whose call it is; places are shared among merchants. Calls without one share as one. */
  readonly merchant?: string;
  /** True where the error is a sign that the neighbour is sick; by default every error is. */
  readonly isSick?: (error: unknown) => boolean;
  /** True where an answer is a sign that the neighbour is sick; by default none is. */
  readonly isSickAnswer?: (answer: never) => boolean;
};

// A lane without a limit is none. Where it is run by hand at night, 10,000 is a slip of the finger.
const LIMITS = {
  concurrentMax: [1, 10_000],
  queuedMax: [0, 10_000],
  queueWaitMsMax: [0, 40_000],
  timeoutMs: [1, 3_600_000],
} as const;

/** @throws {LaneLimitsInvalid} naming the limit and what it may be. */
export const assertLimits = (name: string, limits: LaneLimits): void => {
  for (const [field, [min, max]] of Object.entries(LIMITS)) {
    assertWhole(name, field, limits[field as keyof LaneLimits], min, max);
  }
};

const assertWhole = (name: string, field: string, value: number, min: number, max: number): void => {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new LaneLimitsInvalid(`lane ${name}: ${field} must be a whole number from ${min} to ${max}, not ${value}`);
};

const assertShare = (name: string, field: string, value: number | undefined): void => {
  if (value === undefined || (value > 0 && value <= 1)) return;
  throw new LaneLimitsInvalid(`lane ${name}: ${field} must be above 0 and at most 1, not ${value}`);
};

/** @throws {LaneLimitsInvalid} */
export const assertConfig = (config: LaneConfig): void => {
  const { name } = config;
  assertLimits(name, config);
  assertWhole(name, 'halfOpenAfterMs', config.halfOpenAfterMs, 1, 3_600_000);
  assertWhole(name, 'callsMin', config.callsMin ?? 1, 1, 1_000_000);
  assertWhole(name, 'slowMs', config.slowMs ?? 1, 1, 3_600_000);
  assertWhole(name, 'stallMsMin', config.stallMsMin ?? 1, 1, 3_600_000);
  assertShare(name, 'failureShareMax', config.failureShareMax);
  assertShare(name, 'slowShareMax', config.slowShareMax);
  assertShare(name, 'merchantShareMax', config.merchantShareMax);
};
