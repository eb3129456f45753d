import { REJECTION_CAUSES, type RejectionCause } from './lane-rejected.ts';
import { RollingCounts } from './rolling-counts.ts';
import { RollingTimes } from './rolling-times.ts';

/**
 * How a call ended. `succeeded`: with an answer; `sick`: with an answer that speaks of a sick neighbour; `failed`: with an error
 * that does; `timed_out`; `declined`: with an error that says nothing of the neighbour's health; `abandoned`: its caller went
 * away, which says nothing either.
 */
export const CALL_ENDS = ['succeeded', 'sick', 'failed', 'timed_out', 'declined', 'abandoned'] as const;
export type CallEnd = (typeof CALL_ENDS)[number];

/** Upper edges, seconds, as OpenTelemetry's conventions advise for calls. */
export const SECONDS_EDGES: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

const WINDOW_SECONDS = 10;
const LONG_MS = 60_000;
const KINDS = CALL_ENDS.length + REJECTION_CAUSES.length;

const kindOfEnd = Object.fromEntries(CALL_ENDS.map((end, kind) => [end, kind])) as Record<CallEnd, number>;
const kindOfCause = Object.fromEntries(
  REJECTION_CAUSES.map((cause, place) => [cause, CALL_ENDS.length + place]),
) as Record<RejectionCause, number>;

/** What a lane has counted: since it was made, over the last ten seconds, and over the last minute. Nothing is allocated per call. */
export class LaneNumbers {
  /** Over the last ten seconds. */
  readonly #recent: RollingCounts;
  readonly #recentTimes: RollingTimes;
  readonly #recentWaits: RollingTimes;
  /** Over the last minute or two: what is usual. */
  readonly #usualTimes: RollingTimes;
  readonly #totals = new Float64Array(KINDS);
  /** By end and edge, the last one for what is longer than all; and the sum of seconds by end. */
  readonly #seconds = new Float64Array(CALL_ENDS.length * (SECONDS_EDGES.length + 1));
  readonly #secondsSums = new Float64Array(CALL_ENDS.length);

  constructor(nowMs: number) {
    this.#recent = new RollingCounts(KINDS, WINDOW_SECONDS, nowMs);
    this.#recentTimes = new RollingTimes(WINDOW_SECONDS * 1_000, nowMs);
    this.#recentWaits = new RollingTimes(WINDOW_SECONDS * 1_000, nowMs);
    this.#usualTimes = new RollingTimes(LONG_MS, nowMs);
  }

  ended(end: CallEnd, tookMs: number, nowMs: number): void {
    const kind = kindOfEnd[end];
    this.#recent.add(kind, nowMs);
    this.#totals[kind] = (this.#totals[kind] ?? 0) + 1;
    const at = kind * (SECONDS_EDGES.length + 1) + edgeOf(tookMs / 1_000);
    this.#seconds[at] = (this.#seconds[at] ?? 0) + 1;
    this.#secondsSums[kind] = (this.#secondsSums[kind] ?? 0) + tookMs / 1_000;
    // Those who left early say nothing of how long the neighbour takes.
    if (end === 'abandoned') return;
    this.#recentTimes.add(tookMs, nowMs);
  }

  waited(ms: number, nowMs: number): void {
    this.#recentWaits.add(ms, nowMs);
  }

  rejected(cause: RejectionCause, nowMs: number): void {
    const kind = kindOfCause[cause];
    this.#recent.add(kind, nowMs);
    this.#totals[kind] = (this.#totals[kind] ?? 0) + 1;
  }

  /** Since the lane was made. */
  total(of: CallEnd | RejectionCause): number {
    return this.#totals[kindOf(of)] ?? 0;
  }

  /** Over the last ten seconds. */
  recent(of: CallEnd | RejectionCause, nowMs: number): number {
    return this.#recent.sum(kindOf(of), nowMs);
  }

  /** Of the last ten to twenty seconds, so that whatever is counted has its time; ms. */
  times(nowMs: number): {
    readonly meanMs: number;
    readonly p50Ms: number;
    readonly p90Ms: number;
    readonly p99Ms: number;
  } {
    const times = this.#recentTimes;
    return {
      meanMs: times.mean(nowMs),
      p50Ms: times.percentile(0.5, nowMs),
      p90Ms: times.percentile(0.9, nowMs),
      p99Ms: times.percentile(0.99, nowMs),
    };
  }

  queueWaitP99Ms(nowMs: number): number {
    return this.#recentWaits.percentile(0.99, nowMs);
  }

  /** A call whose time tells what is usual: one that the neighbour has ended while it was well. */
  wasUsual(tookMs: number, nowMs: number): void {
    this.#usualTimes.add(tookMs, nowMs);
  }

  /** Times of the last minute or two while the neighbour was well. */
  get usual(): Pick<RollingTimes, 'count' | 'shareAbove' | 'percentile'> {
    return this.#usualTimes;
  }

  /** Calls by upper edge, each edge including those below it, and the sum of their seconds; for Prometheus. */
  secondsOf(end: CallEnd): { readonly counts: readonly number[]; readonly sum: number } {
    const kind = kindOfEnd[end];
    const from = kind * (SECONDS_EDGES.length + 1);
    let running = 0;
    const counts = Array.from(this.#seconds.subarray(from, from + SECONDS_EDGES.length + 1), (count) => {
      running += count;
      return running;
    });
    return { counts, sum: this.#secondsSums[kind] ?? 0 };
  }
}

const isEnd = (of: CallEnd | RejectionCause): of is CallEnd => of in kindOfEnd;
const kindOf = (of: CallEnd | RejectionCause): number => (isEnd(of) ? kindOfEnd[of] : kindOfCause[of]);

const edgeOf = (seconds: number): number => {
  let edge = 0;
  while (edge < SECONDS_EDGES.length && seconds > (SECONDS_EDGES[edge] ?? 0)) edge += 1;
  return edge;
};
