import type { Clock } from '@tillmesh/clock';
import { type Bucket, intervalUs, type Limit, toleranceUs, type Verdict } from './limit.ts';

const US_PER_MS = 1_000;
/** Buckets that are full need not be kept; with so many the full ones are forgotten. */
const BUCKETS_MAX = 20_000;

const keyOf = ({ kind, key }: Bucket): string => `${kind} ${key}`;

/** One process' part of a limit: the rate by the number of processes, and never less than one call. */
export const shareOf = ({ perSecond, burst }: Limit, processes: number): Limit => ({
  perSecond: perSecond / processes,
  burst: Math.max(1, Math.floor(burst / processes)),
});

/** Buckets of this process alone, for the time in which Redis does not answer: the same rule as TAKE, by the monotonic clock. */
export class LocalBuckets {
  readonly #clock: Clock;
  readonly #processes: number;
  /** When each would be full again, microseconds of the monotonic clock. */
  readonly #fullAtUs = new Map<string, number>();

  /** @param processes that share the limits. */
  constructor(clock: Clock, processes: number) {
    this.#clock = clock;
    this.#processes = processes;
  }

  take(buckets: readonly Bucket[]): Verdict {
    const nowUs = this.#clock.monotonicMs() * US_PER_MS;
    const after: [string, number][] = [];
    for (const bucket of buckets) {
      const limit = shareOf(bucket.limit, this.#processes);
      const atUs = Math.max(nowUs, this.#fullAtUs.get(keyOf(bucket)) ?? 0);
      const tooFarUs = atUs - nowUs - toleranceUs(limit);
      if (tooFarUs > 0) {
        // Who is refused again and again is not to be forgotten for it: what was written last is kept longest.
        this.#write(keyOf(bucket), atUs);
        return { allowed: false, bucket, retryAfterMs: Math.ceil(tooFarUs / US_PER_MS) };
      }
      after.push([keyOf(bucket), atUs + intervalUs(limit)]);
    }
    for (const [key, atUs] of after) this.#write(key, atUs);
    if (this.#fullAtUs.size > BUCKETS_MAX) this.#forgetFull(nowUs);
    return { allowed: true };
  }

  #write(key: string, atUs: number): void {
    this.#fullAtUs.delete(key);
    this.#fullAtUs.set(key, atUs);
  }

  #forgetFull(nowUs: number): void {
    for (const [key, atUs] of this.#fullAtUs) if (atUs <= nowUs) this.#fullAtUs.delete(key);
    // A flood of different keys, none of them full: the oldest go, their owners get a burst more.
    for (const key of this.#fullAtUs.keys()) {
      if (this.#fullAtUs.size <= BUCKETS_MAX / 2) break;
      this.#fullAtUs.delete(key);
    }
  }
}
