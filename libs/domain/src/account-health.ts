import type { AccountId } from './ids.ts';
import type { Outcome } from './outcome.ts';
import type { HealthPolicy } from './routing-table.ts';

/** What a process knows of an account by itself. `none`: nothing came back lately, in either way. */
export type Opinion = 'well' | 'sick' | 'none';

/** Outcomes of the window that speak of the channel. */
export type OutcomeCounts = { readonly good: number; readonly bad: number };

/** What an account has taken on one of its days. */
export type DayUse = { readonly day: string; readonly minorUnits: bigint; readonly count: number };

/** What one process says of an account. */
export type AccountReport = OutcomeCounts & {
  readonly accountId: AccountId;
  readonly opinion: Opinion;
  /** Why it finds it sick; at most 64 characters. */
  readonly cause: string;
  /** Share of its payments that the account gets from this process, 0 to 1. */
  readonly share: number;
  readonly use: DayUse;
};

/** What other processes say of an account. */
export type Hearsay = OutcomeCounts & {
  /** How many of them find it sick, and how many well. */
  readonly sick: number;
  readonly well: number;
  /** Of one that finds it sick. */
  readonly cause: string;
  /** What they have let it take. */
  readonly use: DayUse;
};

/** Where an account stands between sick and well. Times are of a monotonic clock, ms. */
export type Condition = {
  readonly isSick: boolean;
  readonly sinceMs: number;
  /** How often it fell sick again before it had all its payments back. */
  readonly relapses: number;
};

/** An account that was never sick. */
export const WELL: Condition = { isSick: false, sinceMs: Number.NEGATIVE_INFINITY, relapses: 0 };

/** A return that failed so often is not slowed any further. */
const RELAPSES_COUNTED_MAX = 4;
/** Of an account whose payments mostly fail: enough to see when they succeed again. */
const SHARE_MIN = 0.05;

/**
 * What an outcome says of the channel's health. A payer's decline is an answer like any other and says nothing; nor does a channel
 * that still works on it.
 */
export const signOf = (outcome: Outcome): 'good' | 'bad' | undefined => {
  switch (outcome.kind) {
    case 'succeeded':
    case 'pending_payer':
      return 'good';
    case 'unknown':
      return 'bad';
    case 'processing':
      return undefined;
    case 'failed_definite':
      return outcome.reason === 'account_refused' || outcome.reason === 'channel_unreachable' ? 'bad' : undefined;
  }
};

/** One's own eyes first: sick where oneself finds so, or where more find it sick than well. */
export const isSickTo = (own: Opinion, others: Pick<Hearsay, 'sick' | 'well'> | undefined): boolean => {
  if (own === 'sick') return true;
  if (others === undefined) return false;
  return others.sick > others.well + (own === 'well' ? 1 : 0);
};

/** Share of its payments that an account may have back, 0 to 1. A return that failed before begins more slowly. */
export const returnedShare = (condition: Condition, nowMs: number, policy: HealthPolicy): number => {
  if (condition.isSick) return 0;
  let leftMs = nowMs - condition.sinceMs;
  let slowness = 2 ** Math.min(condition.relapses, RELAPSES_COUNTED_MAX);
  for (const { sharePercent, ms } of policy.returnSteps) {
    leftMs -= ms * slowness;
    if (leftMs < 0) return sharePercent / 100;
    slowness = 1;
  }
  return 1;
};

/** The condition after a look. */
export const nextCondition = (
  condition: Condition,
  isSick: boolean,
  nowMs: number,
  policy: HealthPolicy,
): Condition => {
  if (isSick === condition.isSick) return condition;
  if (!isSick) return { isSick, sinceMs: nowMs, relapses: condition.relapses };
  const isRelapse = returnedShare(condition, nowMs, policy) < 1;
  return { isSick, sinceMs: nowMs, relapses: isRelapse ? condition.relapses + 1 : 0 };
};

/** Share of its payments that an account keeps by its rate of success, 0.05 to 1. */
export const rateShare = ({ good, bad }: OutcomeCounts, policy: HealthPolicy): number => {
  const count = good + bad;
  if (count < policy.outcomesMin) return 1;
  const { goodPercent, badPercent } = policy;
  const share = ((good / count) * 100 - badPercent) / (goodPercent - badPercent);
  return Math.min(1, Math.max(SHARE_MIN, share));
};
