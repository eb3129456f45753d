import { BreakerControl, BreakerState, type LaneReading } from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';

/** Counts and times of a lane in one process, or in all of its processes together. Counts are of the last 10 s, times in ms. */
export type LaneFigures = {
  readonly inFlight: number;
  readonly concurrentMax: number;
  readonly queued: number;
  readonly queuedMax: number;
  readonly oldestInFlightMs: number;
  readonly succeeded: number;
  /** Time-outs included. */
  readonly failed: number;
  readonly timedOut: number;
  readonly declined: number;
  readonly abandoned: number;
  readonly rejectedFull: number;
  readonly rejectedOpen: number;
  readonly rejectedQueueWait: number;
  readonly rejectedNoTime: number;
  readonly rejectedMerchant: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly queueWaitP99Ms: number;
  readonly timeoutMs: number;
};

/** `unknown` where a process says something that this version does not know. */
export type Breaker = 'closed' | 'open' | 'half_open' | 'unknown';
export type Control = 'auto' | 'forced_open' | 'forced_closed' | 'unknown';

/** A lane in one process. */
export type ProcessLane = LaneFigures & {
  readonly name: string;
  readonly breaker: Breaker;
  readonly control: Control;
  readonly stalled: boolean;
};

/** The seconds that a lane's counts are of. */
export const WINDOW_SECONDS = 10;

/** Names come from other processes: longer ones would only break the page. */
const NAME_LENGTH_MAX = 64;

const BREAKERS: ReadonlyMap<BreakerState, Breaker> = new Map([
  [BreakerState.CLOSED, 'closed'],
  [BreakerState.OPEN, 'open'],
  [BreakerState.HALF_OPEN, 'half_open'],
]);
const CONTROLS: ReadonlyMap<BreakerControl, Control> = new Map([
  [BreakerControl.AUTO, 'auto'],
  [BreakerControl.FORCED_OPEN, 'forced_open'],
  [BreakerControl.FORCED_CLOSED, 'forced_closed'],
]);

/** A reading as it came over the wire, in our own words. */
export const laneOfReading = (reading: LaneReading): ProcessLane => ({
  name: reading.name.slice(0, NAME_LENGTH_MAX),
  breaker: BREAKERS.get(reading.breaker) ?? 'unknown',
  control: CONTROLS.get(reading.control) ?? 'unknown',
  stalled: reading.stalled,
  inFlight: reading.inFlight,
  concurrentMax: reading.concurrentMax,
  queued: reading.queued,
  queuedMax: reading.queuedMax,
  oldestInFlightMs: reading.oldestInFlightMs,
  succeeded: Number(reading.succeeded),
  failed: Number(reading.failed),
  timedOut: Number(reading.timedOut),
  declined: Number(reading.declined),
  abandoned: Number(reading.abandoned),
  rejectedFull: Number(reading.rejectedFull),
  rejectedOpen: Number(reading.rejectedOpen),
  rejectedQueueWait: Number(reading.rejectedQueueWait),
  rejectedNoTime: Number(reading.rejectedNoTime),
  rejectedMerchant: Number(reading.rejectedMerchant),
  meanMs: time(reading.meanMs),
  p50Ms: time(reading.p50Ms),
  p90Ms: time(reading.p90Ms),
  p99Ms: time(reading.p99Ms),
  queueWaitP99Ms: time(reading.queueWaitP99Ms),
  timeoutMs: reading.timeoutMs,
});

/** A lane without calls may say NaN, which JSON cannot. Times are shown to a tenth. */
const time = (ms: number): number => (Number.isFinite(ms) ? Math.round(ms * 10) / 10 : 0);

const SUMMED = [
  'inFlight',
  'concurrentMax',
  'queued',
  'queuedMax',
  'succeeded',
  'failed',
  'timedOut',
  'declined',
  'abandoned',
  'rejectedFull',
  'rejectedOpen',
  'rejectedQueueWait',
  'rejectedNoTime',
  'rejectedMerchant',
] as const satisfies readonly (keyof LaneFigures)[];

const LARGEST = [
  'oldestInFlightMs',
  'p50Ms',
  'p90Ms',
  'p99Ms',
  'queueWaitP99Ms',
  'timeoutMs',
] as const satisfies readonly (keyof LaneFigures)[];

type Summed = Record<(typeof SUMMED)[number], number>;
type Largest = Record<(typeof LARGEST)[number], number>;

/** Calls that ended, one way or another, after they had been let in. */
export const endedOf = (figures: LaneFigures): number =>
  figures.succeeded + figures.failed + figures.declined + figures.abandoned;

/** Calls that were not let in. */
export const rejectedOf = (figures: LaneFigures): number =>
  figures.rejectedFull +
  figures.rejectedOpen +
  figures.rejectedQueueWait +
  figures.rejectedNoTime +
  figures.rejectedMerchant;

/**
 * One lane's figures over several processes. Counts are summed and the mean is weighted; percentiles of several processes
 * cannot be merged, so each is that of the process where it is largest.
 */
export const mergeFigures = (all: readonly LaneFigures[]): LaneFigures => {
  const summed = Object.fromEntries(
    SUMMED.map((name) => [name, all.reduce((sum, figures) => sum + figures[name], 0)]),
  ) as Summed;
  const largest = Object.fromEntries(
    LARGEST.map((name) => [name, all.reduce((most, figures) => Math.max(most, figures[name]), 0)]),
  ) as Largest;
  const ended = all.reduce((sum, figures) => sum + endedOf(figures), 0);
  const spentMs = all.reduce((sum, figures) => sum + figures.meanMs * endedOf(figures), 0);
  return { ...summed, ...largest, meanMs: ended === 0 ? 0 : time(spentMs / ended) };
};
