/** Counts of the last seconds, by kind. Nothing is allocated after it was made. */
export class RollingCounts {
  readonly #kinds: number;
  readonly #seconds: number;
  readonly #counts: Uint32Array;
  readonly #sums: Float64Array;
  #second: number;

  /**
   * @param kinds how many kinds are counted.
   * @param seconds of how many seconds, the present one included.
   */
  constructor(kinds: number, seconds: number, nowMs: number) {
    this.#kinds = kinds;
    this.#seconds = seconds;
    this.#counts = new Uint32Array(kinds * seconds);
    this.#sums = new Float64Array(kinds);
    this.#second = Math.floor(nowMs / 1_000);
  }

  add(kind: number, nowMs: number): void {
    this.#advance(nowMs);
    const at = (this.#second % this.#seconds) * this.#kinds + kind;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sums[kind] = (this.#sums[kind] ?? 0) + 1;
  }

  /** How many of a kind in the window. */
  sum(kind: number, nowMs: number): number {
    this.#advance(nowMs);
    return this.#sums[kind] ?? 0;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#sums.fill(0);
  }

  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / 1_000);
    const steps = Math.min(second - this.#second, this.#seconds);
    for (let step = 1; step <= steps; step += 1) {
      const from = ((this.#second + step) % this.#seconds) * this.#kinds;
      for (let kind = 0; kind < this.#kinds; kind += 1) {
        this.#sums[kind] = (this.#sums[kind] ?? 0) - (this.#counts[from + kind] ?? 0);
        this.#counts[from + kind] = 0;
      }
    }
    if (second > this.#second) this.#second = second;
  }
}
