import { hash } from 'node:crypto';

const SLOTS_AT_FIRST = 1_024;
const FULL_SHARE = 0.6;

/**
 * Knows which lines have been there before, by 64 bits of each one's digest: 1,000,000 lines take 32 MiB, where a set of texts takes ten times that.
 * Two different lines of such a bill look the same with a chance of 1 in 30 million.
 */
export class RepeatedLines {
  #high = new Uint32Array(SLOTS_AT_FIRST);
  #low = new Uint32Array(SLOTS_AT_FIRST);
  #count = 0;

  /** True where the same text was added before. */
  add(text: string): boolean {
    const digest = hash('md5', text, 'buffer');
    const high = digest.readUInt32LE(0);
    // 0 and 0 stand for a free slot.
    const low = digest.readUInt32LE(4) || 1;
    if (this.#count > this.#low.length * FULL_SHARE) this.#grow();
    return this.#put(high, low);
  }

  #put(high: number, low: number): boolean {
    const mask = this.#low.length - 1;
    for (let slot = high & mask; ; slot = (slot + 1) & mask) {
      if (this.#low[slot] === low && this.#high[slot] === high) return true;
      if (this.#low[slot] !== 0) continue;
      this.#high[slot] = high;
      this.#low[slot] = low;
      this.#count += 1;
      return false;
    }
  }

  #grow(): void {
    const high = this.#high;
    const low = this.#low;
    this.#high = new Uint32Array(high.length * 2);
    this.#low = new Uint32Array(low.length * 2);
    this.#count = 0;
    for (let slot = 0; slot < low.length; slot += 1) if (low[slot] !== 0) this.#put(high[slot] ?? 0, low[slot] ?? 0);
  }
}
