import { type CheckItem, checkEntry, type DelayQueue, toMember, type Verdict } from '@tillmesh/delay-queue';
import { counter } from '@tillmesh/telemetry';
import type { Checked } from './check-payment.ts';

/** What is due within it waits in this process too, ms. */
export const NEAR_MS = 60_000;
/** Waiting in this process at most; what finds no place waits in Redis and in its row. */
export const NEAR_MAX = 200_000;
/** What waits in this process waits in Redis so much longer: it is for the case that this process dies. */
export const STAND_IN_MS = 2_000;
/** A check whose end is not known is repeated after this. */
const AGAIN_MS = 5_000;

const lost = counter(
  'tillmesh_check_tier_lost_total',
  'Schedules that a tier did not take; the tier behind it finds them.',
  ['tier'],
);

/** Who asked for a check: the process' own wheel, Redis, or nobody who waits for an answer (the sweep, a person). */
export type Tier = 'near' | 'queue';

/**
 * The two fast tiers of schedules. The first is a wheel in this process, the second Redis, where all processes meet; the third is the
 * row's own time in its database, which the sweep goes by and which alone keeps the promise: whatever the first two lose is late
 * and no more.
 */
export type Tiers = {
  readonly near: DelayQueue;
  /** Undefined where no Redis is configured. */
  readonly queue: DelayQueue | undefined;
  /** What the tier that asked is to do with its entry after a check; the other one is told. Never waits and never fails. */
  verdictFor(tier: Tier, item: CheckItem, checked: Checked): Verdict;
  /** Tells both, after a check that neither had asked for. */
  tell(item: CheckItem, checked: Checked): void;
};

/** The tiers over their queues. */
export const createTiers = (queues: { readonly near: DelayQueue; readonly queue: DelayQueue | undefined }): Tiers => {
  const { near, queue } = queues;
  const isNear = (afterMs: number): boolean => afterMs <= NEAR_MS;
  const nextOf = ({ nextAfterMs }: Checked): number =>
    Math.min(near.limits.delayMsMax - STAND_IN_MS, Math.max(0, Math.ceil(nextAfterMs ?? AGAIN_MS)));
  /** When Redis is to hand it out: when this process should have done it already. */
  const inQueueAfterMs = (afterMs: number): number => (isNear(afterMs) ? afterMs + STAND_IN_MS : afterMs);
  const notTaken = (tier: Tier) => () => lost.add({ tier });

  const tellNear = (item: CheckItem, checked: Checked): void => {
    const afterMs = nextOf(checked);
    if (checked.settled || !isNear(afterMs)) near.remove([toMember(item)]).catch(notTaken('near'));
    else near.add([{ ...checkEntry(item, afterMs), ifWaiting: 'replace' }]).catch(notTaken('near'));
  };
  const tellQueue = (item: CheckItem, checked: Checked): void => {
    if (checked.settled) queue?.remove([toMember(item)]).catch(notTaken('queue'));
    else {
      const entry = checkEntry(item, inQueueAfterMs(nextOf(checked)));
      queue?.add([{ ...entry, ifWaiting: 'replace' }]).catch(notTaken('queue'));
    }
  };
  return {
    near,
    queue,
    verdictFor: (tier, item, checked) => {
      const afterMs = nextOf(checked);
      if (tier === 'near') {
        tellQueue(item, checked);
        return checked.settled || !isNear(afterMs) ? { kind: 'done' } : { kind: 'again', afterMs };
      }
      tellNear(item, checked);
      return checked.settled ? { kind: 'done' } : { kind: 'again', afterMs: inQueueAfterMs(afterMs) };
    },
    tell: (item, checked) => {
      tellNear(item, checked);
      tellQueue(item, checked);
    },
  };
};
