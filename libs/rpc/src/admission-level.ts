import { PRIORITIES, type Priority } from './call-context.ts';

/** Merchants of equal priority are told apart by a hash, so that not all of them are shed at once. */
const BUCKETS = 128;
export const RANKS = PRIORITIES.length * BUCKETS;
/** With this level everybody is admitted. */
export const LEVEL_ALL = RANKS - 1;

const HOUR_MS = 3_600_000;

/**
 * Where a call stands when there is too much to do: 0 is shed last. Rotated every hour, so that no merchant is always the first
 * to go. A call without a merchant is the last of its priority.
 */
export const rankOf = (priority: Priority, merchant: string, nowMs: number): number => {
  const first = PRIORITIES.indexOf(priority) * BUCKETS;
  if (merchant === '') return first + BUCKETS - 1;
  let hash = Math.floor(nowMs / HOUR_MS);
  for (let at = 0; at < merchant.length; at += 1) hash = Math.imul(hash ^ merchant.charCodeAt(at), 0x01_00_01_93);
  return first + ((hash >>> 0) % BUCKETS);
};

/** How overload changes the level. */
export type LevelRules = {
  /** Calls wait longer than this for the event loop in the middle of a window: overload, ms. */
  readonly delayMsMax: number;
  /** With fewer calls in a window it is not their number that makes the process slow. */
  readonly arrivalsMin: number;
};

/** By waiting alone a window is cut down by this share at least, and by this at most where the delay is far above what it may be. */
const CUT_MIN = 0.05;
const CUT_MAX = 0.5;
/** What found no room is cut whole, up to this share. */
const CUT_PRESSED_MAX = 0.9;
/** So large a share of the admitted may find no room; more is overload as well. */
const PRESSED_MAX = 0.01;
/** Payments are shed only where the delay is so many times what it may be although everybody else is shed already. */
const LAST_RESORT = 10;
/** With this level all payments are admitted. */
const LEVEL_PAYMENTS = BUCKETS - 1;
/** Far below what can be done the level rises in a window by this share of what was admitted; near it, by the other. */
const RAISE_FAR = 0.5;
const RAISE_NEAR = 0.05;
/** The other doubles after each so many windows that were not too much: the flood is over. */
const DOUBLES_AFTER_WINDOWS = 8;
/** Near is from this share on of what can be done. */
const NEAR = 0.9;
/** What can be done is the most that was answered in a window with too much to do; of it this share is believed a window later. */
const BELIEVED = 0.98;
/** And after each further window with too much to do this share. */
const BELIEVED_IN_OVERLOAD = 0.9;
/** One call that says that it stands for many does not let so many more of its rank in. */
const OWED_MAX = 2;

/**
 * The level up to which calls are admitted, moved after each window by what came and what it cost (DAGOR's rule). It is a rank and a
 * part of the next one: one merchant with most of what comes is neither all in nor all out.
 */
export class AdmissionLevel {
  readonly #rules: LevelRules;
  /** By rank, up to the one that is admitted in part. */
  readonly #arrived = new Uint32Array(RANKS);
  /**
   * By priority, of the ranks above: callers tell of a few of those calls only, each standing for many, so that a single rank's figure
   * would say nothing. A hash has spread them over the ranks.
   */
  readonly #refusedAbove = new Float64Array(PRIORITIES.length);
  #arrivals = 0;
  #admitted = 0;
  #pressed = 0;
  #level = LEVEL_ALL;
  /** What of the rank that is admitted in part has been let in too little. */
  #owed = 0;
  #answered = 0;
  /** What can be done in a window; 0 while there was never too much. */
  #capacity = 0;
  /** Whether there was too much to do in the last window. */
  #isOverloaded = false;
  /** How many windows that has been so. */
  #windowsSo = 0;

  constructor(rules: LevelRules) {
    this.#rules = rules;
  }

  /** 511 admits all; 300.25 all up to rank 300 and a quarter of rank 301. */
  get level(): number {
    return this.#level;
  }

  /**
   * Whether a call of this rank may come in.
   *
   * @param standsFor so many calls were made, all but this one of which were refused where they began.
   */
  admits(rank: number, standsFor = 1): boolean {
    const above = rank - this.#level;
    if (above >= 1) {
      const band = Math.floor(rank / BUCKETS);
      this.#refusedAbove[band] = (this.#refusedAbove[band] ?? 0) + standsFor;
      this.#arrivals += standsFor;
      return false;
    }
    const admitted = above <= 0 || this.#isInPart((1 - above) * standsFor);
    const calls = above <= 0 ? 1 : standsFor;
    this.#arrived[rank] = (this.#arrived[rank] ?? 0) + calls;
    this.#arrivals += calls;
    if (admitted) this.#admitted += 1;
    return admitted;
  }

  /** A call that had been admitted was refused after all: there was no room for it here, or at a neighbour that it needs. */
  press(): void {
    this.#pressed += 1;
  }

  /** A call that had been admitted has ended. */
  finish(): void {
    this.#answered += 1;
  }

  /** A window is over. @param delayMs how long calls waited for the event loop in it, in the middle. */
  endWindow(delayMs: number): void {
    const { delayMsMax, arrivalsMin } = this.#rules;
    const pressed = this.#pressed / Math.max(1, this.#admitted);
    const isOverloaded = (delayMs > delayMsMax || pressed > PRESSED_MAX) && this.#arrivals >= arrivalsMin;
    if (isOverloaded !== this.#isOverloaded) this.#windowsSo = 0;
    this.#isOverloaded = isOverloaded;
    this.#windowsSo += 1;
    if (isOverloaded) this.#sink(delayMs, pressed);
    else if (this.#level < LEVEL_ALL) this.#rise();
    this.#capacity *= BELIEVED;
    this.#answered = 0;
    this.#arrived.fill(0);
    this.#refusedAbove.fill(0);
    this.#arrivals = 0;
    this.#admitted = 0;
    this.#pressed = 0;
  }

  /** @param pressed share of the admitted that found no room. */
  #sink(delayMs: number, pressed: number): void {
    const { delayMsMax } = this.#rules;
    const byDelay = CUT_MIN + (CUT_MAX * Math.max(0, delayMs - delayMsMax)) / (4 * delayMsMax);
    const cut = Math.max(Math.min(CUT_MAX, byDelay), Math.min(CUT_PRESSED_MAX, pressed));
    const isLastResort = delayMs > LAST_RESORT * delayMsMax && this.#level <= LEVEL_PAYMENTS;
    this.#capacity = Math.max(this.#answered - this.#pressed, this.#capacity);
    // One late window says less than what was done in all of those before.
    const believed = this.#capacity * BELIEVED_IN_OVERLOAD ** this.#windowsSo;
    const wanted = Math.max(this.#admitted * (1 - cut), Math.min(believed, this.#admitted * (1 - CUT_MIN)));
    this.#level = Math.max(isLastResort ? 0 : LEVEL_PAYMENTS, Math.min(this.#level, this.#levelFor(wanted)));
  }

  #rise(): void {
    const near = RAISE_NEAR * 2 ** Math.floor(this.#windowsSo / DOUBLES_AFTER_WINDOWS);
    const raise = this.#admitted < this.#capacity * NEAR ? RAISE_FAR : Math.min(RAISE_FAR, near);
    this.#level = Math.max(this.#level, this.#levelFor(this.#admitted + Math.max(1, this.#admitted * raise)));
  }

  /** Of a rank that is admitted in part: evenly, not by chance. @param calls so many of those that were made are to be let in. */
  #isInPart(calls: number): boolean {
    this.#owed = Math.min(OWED_MAX, this.#owed + calls);
    if (this.#owed < 1) return false;
    this.#owed -= 1;
    return true;
  }

  /** The level at which of what came in the window so many calls would have been admitted. */
  #levelFor(wanted: number): number {
    const known = Math.ceil(this.#level);
    let left = wanted;
    for (let rank = 0; rank < RANKS; rank += 1) {
      const calls = rank <= known ? (this.#arrived[rank] ?? 0) : this.#refusedAt(rank, known);
      if (calls > left) return Math.max(0, rank - 1 + left / calls);
      left -= calls;
    }
    return LEVEL_ALL;
  }

  #refusedAt(rank: number, known: number): number {
    const band = Math.floor(rank / BUCKETS);
    const ranks = (band + 1) * BUCKETS - Math.max(band * BUCKETS, known + 1);
    return (this.#refusedAbove[band] ?? 0) / ranks;
  }
}
