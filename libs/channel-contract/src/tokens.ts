/** A request's right to be sent: in hand, or gone. The bucket's own. */
export type Token = { isGood: boolean };

/** Millionths of a request in one. */
const WHOLE = 1_000_000;
/** A machine's clock may go faster than it should by this share; so much is left out of every refill. */
const CLOCK_FAST_MAX = 0.03;
/** What was wanted in less than this says nothing of a rate. */
const LOOK_MS_MIN = 100;

/**
 * A process's part of a rate: a bucket that refills with its share, in millionths of a request, so that a request costs one compare
 * of whole numbers.
 *
 * At every moment: what is saved up and the tokens that are in hand and not yet used are together at most what the share allows.
 * So in any window the process sends at most that much and what the share brings in it; and the sums over all processes are what
 * was agreed. That is why a token in hand takes room from the bucket until its request is written, why a share that grows brings
 * nothing but its faster refill, and why tokens in hand above a smaller share are void.
 */
export class Tokens {
  readonly #burstOf: (share: number) => number;
  /** Thousandths of a request a second; what it brings in a millisecond is as many millionths of a request. */
  #share = 0;
  #capacity = 0;
  #saved = 0;
  #refilledAtMs: number;
  readonly #inHand = new Set<Token>();
  #taken = 0;
  #waiting = 0;
  #refused = 0;
  #lookedAtMs: number;

  /** @param burstOf what may be saved up of a share, in millionths of a request. */
  constructor(burstOf: (share: number) => number, nowMs: number) {
    this.#burstOf = burstOf;
    this.#refilledAtMs = nowMs;
    this.#lookedAtMs = nowMs;
  }

  get share(): number {
    return this.#share;
  }

  /** A token, or undefined where there is none yet. */
  take(nowMs: number): Token | undefined {
    this.#refill(nowMs);
    if (this.#saved < WHOLE) return undefined;
    this.#saved -= WHOLE;
    this.#taken += 1;
    const token = { isGood: true };
    this.#inHand.add(token);
    return token;
  }

  /** Its request is written now. */
  use(token: Token, nowMs: number): boolean {
    this.#refill(nowMs);
    if (!token.isGood) return false;
    token.isGood = false;
    this.#inHand.delete(token);
    return true;
  }

  /** Its request is not sent. */
  giveBack(token: Token, nowMs: number): void {
    if (!this.use(token, nowMs)) return;
    this.#saved += WHOLE;
    this.#taken -= 1;
  }

  /** How long until there is a token, if nobody else takes it; infinite where none will come. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    if (this.#saved >= WHOLE) return 0;
    const willCome = this.#capacity - this.#inHand.size * WHOLE >= WHOLE;
    return willCome ? (WHOLE - this.#saved) / this.#perMs : Number.POSITIVE_INFINITY;
  }

  resize(share: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#share = share;
    this.#capacity = this.#burstOf(share);
    while (this.#inHand.size * WHOLE > this.#capacity) this.#voidNewest();
    this.#saved = Math.min(this.#saved, this.#capacity - this.#inHand.size * WHOLE);
  }

  /** So many requests wait. */
  setWaiting(count: number): void {
    this.#waiting = count;
  }

  /** A request has gone without a token. */
  refuse(): void {
    this.#refused += 1;
  }

  /** How much was wanted since the last look, in thousandths of a request a second. */
  takeDemand(nowMs: number): number {
    const wanted = this.#taken + this.#refused + this.#waiting;
    const demand = Math.ceil((wanted * WHOLE) / Math.max(LOOK_MS_MIN, nowMs - this.#lookedAtMs));
    this.#taken = 0;
    this.#refused = 0;
    this.#lookedAtMs = nowMs;
    return demand;
  }

  get #perMs(): number {
    return this.#share * (1 - CLOCK_FAST_MAX);
  }

  /** Before everything else that is done, or time in which the bucket was full would count. */
  #refill(nowMs: number): void {
    const brought = Math.floor((nowMs - this.#refilledAtMs) * this.#perMs);
    const room = this.#capacity - this.#inHand.size * WHOLE - this.#saved;
    if (brought >= room) {
      this.#saved += room;
      this.#refilledAtMs = nowMs;
    } else if (brought > 0) {
      this.#saved += brought;
      // The part of a millionth that is left counts next time.
      this.#refilledAtMs += brought / this.#perMs;
    }
  }

  #voidNewest(): void {
    const newest = [...this.#inHand].at(-1);
    if (newest === undefined) return;
    newest.isGood = false;
    this.#inHand.delete(newest);
  }
}
