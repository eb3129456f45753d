/** Steps of a factor of 2 are cut into so many buckets: a percentile is right to about a twelfth. */
const BUCKETS_PER_DOUBLING = 8;
const FIRST_MS = 0.01;
const BUCKETS = 192;

const LOG_FIRST = Math.log2(FIRST_MS);

const bucketOf = (ms: number): number => {
  if (ms <= FIRST_MS) return 0;
  const bucket = Math.ceil((Math.log2(ms) - LOG_FIRST) * BUCKETS_PER_DOUBLING);
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
};

const upperEdgeMs = (bucket: number): number => FIRST_MS * 2 ** (bucket / BUCKETS_PER_DOUBLING);

/**
 * Times of the last while, for percentiles. Two windows take turns, so what it tells is of one to two window lengths. Nothing is
 * allocated after it was made.
 */
export class RollingTimes {
  readonly #windowMs: number;
  #present = new Uint32Array(BUCKETS);
  #before = new Uint32Array(BUCKETS);
  #presentCount = 0;
  #beforeCount = 0;
  #presentSumMs = 0;
  #beforeSumMs = 0;
  #sinceMs: number;

  constructor(windowMs: number, nowMs: number) {
    this.#windowMs = windowMs;
    this.#sinceMs = nowMs;
  }

  add(ms: number, nowMs: number): void {
    this.#turn(nowMs);
    const bucket = bucketOf(ms);
    this.#present[bucket] = (this.#present[bucket] ?? 0) + 1;
    this.#presentCount += 1;
    this.#presentSumMs += ms;
  }

  count(nowMs: number): number {
    this.#turn(nowMs);
    return this.#presentCount + this.#beforeCount;
  }

  /** Mean, ms; 0 where there was none. */
  mean(nowMs: number): number {
    const count = this.count(nowMs);
    return count === 0 ? 0 : (this.#presentSumMs + this.#beforeSumMs) / count;
  }

  /** The time that this share of all stayed below, ms, rounded up to a bucket's edge; 0 where there was none. */
  percentile(share: number, nowMs: number): number {
    const count = this.count(nowMs);
    if (count === 0) return 0;
    const wanted = Math.max(1, Math.ceil(count * share));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      seen += (this.#present[bucket] ?? 0) + (this.#before[bucket] ?? 0);
      if (seen >= wanted) return upperEdgeMs(bucket);
    }
    return upperEdgeMs(BUCKETS - 1);
  }

  /** The share of all that took longer, by the bucket's lower edge; 0 where there was none. */
  shareAbove(ms: number, nowMs: number): number {
    const count = this.count(nowMs);
    if (count === 0) return 0;
    let above = 0;
    for (let bucket = bucketOf(ms) + 1; bucket < BUCKETS; bucket += 1) {
      above += (this.#present[bucket] ?? 0) + (this.#before[bucket] ?? 0);
    }
    return above / count;
  }

  #turn(nowMs: number): void {
    const agedMs = nowMs - this.#sinceMs;
    if (agedMs < this.#windowMs) return;
    const oldest = this.#before;
    oldest.fill(0);
    if (agedMs < 2 * this.#windowMs) {
      this.#before = this.#present;
      this.#beforeCount = this.#presentCount;
      this.#beforeSumMs = this.#presentSumMs;
      this.#sinceMs += this.#windowMs;
      this.#present = oldest;
    } else {
      this.#present.fill(0);
      this.#beforeCount = 0;
      this.#beforeSumMs = 0;
      this.#sinceMs = nowMs;
    }
    this.#presentCount = 0;
    this.#presentSumMs = 0;
  }
}
