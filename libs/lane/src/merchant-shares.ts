/** For so long after a merchant's last call it counts as present, ms. */
const PRESENT_MS = 10_000;

/** Who has how many places, and who was there lately: one merchant alone may have all, with others it leaves them room. */
export class MerchantShares {
  readonly #shareMax: number;
  readonly #taken = new Map<string, number>();
  /** The merchant that came last, and the latest moment at which another one came. */
  #latest = '';
  #latestAtMs = Number.NEGATIVE_INFINITY;
  #otherAtMs = Number.NEGATIVE_INFINITY;

  constructor(shareMax: number) {
    this.#shareMax = shareMax;
  }

  /** A merchant's call has come. */
  came(merchant: string, nowMs: number): void {
    if (merchant !== this.#latest) {
      this.#otherAtMs = this.#latestAtMs;
      this.#latest = merchant;
    }
    this.#latestAtMs = nowMs;
  }

  /** The most that a merchant may have of so many, 1 at least. */
  mostOf(merchant: string, of: number, nowMs: number): number {
    // For the merchant that came last the others are those before it; for every other one it is the other.
    const otherAtMs = merchant === this.#latest ? this.#otherAtMs : this.#latestAtMs;
    return nowMs - otherAtMs > PRESENT_MS ? of : Math.max(1, Math.floor(of * this.#shareMax));
  }

  /** Whether a merchant may have one more of so many places. */
  mayTake(merchant: string, of: number, nowMs: number): boolean {
    return (this.#taken.get(merchant) ?? 0) < this.mostOf(merchant, of, nowMs);
  }

  took(merchant: string): void {
    this.#taken.set(merchant, (this.#taken.get(merchant) ?? 0) + 1);
  }

  gaveBack(merchant: string): void {
    const left = (this.#taken.get(merchant) ?? 0) - 1;
    if (left > 0) this.#taken.set(merchant, left);
    else this.#taken.delete(merchant);
  }
}
