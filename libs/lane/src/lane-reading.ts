import type { BreakerControl, BreakerState } from './breaker.ts';
import type { LaneLimits } from './lane-config.ts';
import type { LaneNumbers } from './lane-numbers.ts';
import type { RejectionCause } from './lane-rejected.ts';

type Present = LaneLimits & {
  readonly name: string;
  /** Requests that are really outstanding. */
  readonly inFlight: number;
  readonly queued: number;
  readonly breaker: BreakerState;
  readonly control: BreakerControl;
  /** True while it is open because nothing comes back although much is under way. */
  readonly stalled: boolean;
  /** Age of the oldest call under way, ms. */
  readonly oldestInFlightMs: number;
};

/** What a lane does now. Counts and times are those of the last ten seconds; times in ms. */
export type LaneReading = Present & {
  readonly succeeded: number;
  /** Ended with a sign that the neighbour is sick, time-outs included. */
  readonly failed: number;
  readonly timedOut: number;
  /** Ended with an error that says nothing of the neighbour's health. */
  readonly declined: number;
  /** Their callers went away. */
  readonly abandoned: number;
  readonly rejected: Readonly<Record<RejectionCause, number>>;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly queueWaitP99Ms: number;
};

/** Puts a reading together. */
export const readingOf = (numbers: LaneNumbers, nowMs: number, present: Present): LaneReading => ({
  ...present,
  succeeded: numbers.recent('succeeded', nowMs),
  failed: numbers.recent('sick', nowMs) + numbers.recent('failed', nowMs) + numbers.recent('timed_out', nowMs),
  timedOut: numbers.recent('timed_out', nowMs),
  declined: numbers.recent('declined', nowMs),
  abandoned: numbers.recent('abandoned', nowMs),
  rejected: {
    full: numbers.recent('full', nowMs),
    open: numbers.recent('open', nowMs),
    queue_wait_too_long: numbers.recent('queue_wait_too_long', nowMs),
    no_time_left: numbers.recent('no_time_left', nowMs),
    merchant_share: numbers.recent('merchant_share', nowMs),
  },
  ...numbers.times(nowMs),
  queueWaitP99Ms: numbers.queueWaitP99Ms(nowMs),
});
