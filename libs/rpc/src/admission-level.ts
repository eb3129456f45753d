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
/** Payments are shed only where the delay is so many times what it may be: before, everybody else is, and that has to help. */
const LAST_RESORT = 10;
/** With this level all payments are admitted. */
const LEVEL_PAYMENTS = BUCKETS - 1;
/** Far below what was too much the level rises in a window by this share of what was admitted; near it, by the other. */
const RAISE_FAR = 0.5;
const RAISE_NEAR = 0.03;
/** Near is from this share on of what was left after the last cut. */
const NEAR = 0.8;
/** What was too much is forgotten after so many windows that were not. */
const REMEMBERED_WINDOWS = 40;

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
  /** Admitted in a window after the last cut. */
  #enough = Number.POSITIVE_INFINITY;
  #windowsSinceCut = 0;

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
   * @param standsFor so many calls were made, all but this one of which were refused where they began; counted where this one is too.
   */
  admits(rank: number, standsFor = 1): boolean {
    const above = rank - this.#level;
    if (above >= 1) {
      const band = Math.floor(rank / BUCKETS);
      this.#refusedAbove[band] = (this.#refusedAbove[band] ?? 0) + standsFor;
      this.#arrivals += standsFor;
      return false;
    }
    this.#arrived[rank] = (this.#arrived[rank] ?? 0) + 1;
    this.#arrivals += 1;
    const admitted = above <= 0 || this.#isInPart(above);
    if (admitted) this.#admitted += 1;
    return admitted;
  }

  /** A call that had been admitted was refused after all: there was no room for it here, or at a neighbour that it needs. */
  press(): void {
    this.#pressed += 1;
  }

  /** A window is over. @param delayMs how long calls waited for the event loop in it, in the middle. */
  endWindow(delayMs: number): void {
    const { delayMsMax, arrivalsMin } = this.#rules;
    const pressed = this.#pressed / Math.max(1, this.#admitted);
    const isOverloaded = (delayMs > delayMsMax || pressed > PRESSED_MAX) && this.#arrivals >= arrivalsMin;
    if (isOverloaded) {
      const byDelay = CUT_MIN + (CUT_MAX * Math.max(0, delayMs - delayMsMax)) / (4 * delayMsMax);
      const cut = Math.max(Math.min(CUT_MAX, byDelay), Math.min(CUT_PRESSED_MAX, pressed));
      const lowest = delayMs > LAST_RESORT * delayMsMax ? 0 : LEVEL_PAYMENTS;
      const enough = this.#admitted * (1 - cut);
      this.#level = Math.max(lowest, Math.min(this.#level, this.#levelFor(enough)));
      this.#enough = enough;
      this.#windowsSinceCut = 0;
    } else {
      this.#windowsSinceCut += 1;
      if (this.#windowsSinceCut >= REMEMBERED_WINDOWS) this.#enough = Number.POSITIVE_INFINITY;
      if (this.#level < LEVEL_ALL) {
        const raise = this.#admitted < this.#enough * NEAR ? RAISE_FAR : RAISE_NEAR;
        this.#level = Math.max(this.#level, this.#levelFor(this.#admitted + Math.max(1, this.#admitted * raise)));
      }
    }
    this.#arrived.fill(0);
    this.#refusedAbove.fill(0);
    this.#arrivals = 0;
    this.#admitted = 0;
    this.#pressed = 0;
  }

  /** Of a rank that is admitted in part: evenly, not by chance. */
  #isInPart(above: number): boolean {
    this.#owed += 1 - above;
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
