/** How long a peak is looked at before it counts, ms: what grows because nothing comes back any more is not usual. */
const INTERVAL_MS = 2_000;
/** What is usual shrinks by this with each interval in which less was seen. */
const DECAY = 0.95;

/** The most calls that a healthy neighbour has at once: what it may get again after it was sick, and not at one blow more. */
export class UsualConcurrency {
  #usual = 0;
  #before = 0;
  #present = 0;
  #sinceMs: number;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** Calls under way while the neighbour is well. */
  see(inFlight: number, nowMs: number): void {
    if (nowMs - this.#sinceMs >= INTERVAL_MS) {
      this.#usual = Math.max(this.#before, this.#usual * DECAY);
      this.#before = this.#present;
      this.#present = 0;
      this.#sinceMs = nowMs;
    }
    if (inFlight > this.#present) this.#present = inFlight;
  }

  /** The neighbour has become sick: what was seen last was not usual any more. */
  forgetLatest(nowMs: number): void {
    this.#before = 0;
    this.#present = 0;
    this.#sinceMs = nowMs;
  }

  /** Calls at once; 0 where nothing is known. */
  get value(): number {
    return this.#usual;
  }
}
