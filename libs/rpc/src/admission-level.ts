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

/** A window is cut down by this share at least, and by this at most where the delay is far above what it may be. */
const CUT_MIN = 0.05;
const CUT_MAX = 0.5;
/** So large a share of the admitted may find no room; more is overload as well. */
const PRESSED_MAX = 0.01;
/** Payments are shed only where the delay is so many times what it may be: before, everybody else is, and that has to help. */
const LAST_RESORT = 10;
/** With this level all payments are admitted. */
const LEVEL_PAYMENTS = BUCKETS - 1;
/** And raised by this share of what came. */
const RAISE = 0.02;

/** The level up to which calls are admitted, moved after each window by what came and what it cost (DAGOR's rule). */
export class AdmissionLevel {
  readonly #rules: LevelRules;
  readonly #arrived = new Uint32Array(RANKS);
  #arrivals = 0;
  #admitted = 0;
  #pressed = 0;
  #level = LEVEL_ALL;

  constructor(rules: LevelRules) {
    this.#rules = rules;
  }

  get level(): number {
    return this.#level;
  }

  /** Whether a call of this rank may come in. */
  admits(rank: number): boolean {
    this.#arrived[rank] = (this.#arrived[rank] ?? 0) + 1;
    this.#arrivals += 1;
    const admitted = rank <= this.#level;
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
      const cut = Math.min(CUT_MAX, Math.max(byDelay, pressed));
      const lowest = delayMs > LAST_RESORT * delayMsMax ? 0 : LEVEL_PAYMENTS;
      this.#level = Math.max(lowest, this.#levelFor(Math.floor(this.#admitted * (1 - cut)), this.#level));
    } else if (this.#level < LEVEL_ALL) {
      this.#level = this.#levelFor(this.#admitted + Math.max(1, Math.ceil(this.#arrivals * RAISE)), LEVEL_ALL);
    }
    this.#arrived.fill(0);
    this.#arrivals = 0;
    this.#admitted = 0;
    this.#pressed = 0;
  }

  /** The highest level at which of what came in the window no more than so many calls would have been admitted. */
  #levelFor(wanted: number, highest: number): number {
    let sum = 0;
    for (let level = 0; level <= highest; level += 1) {
      sum += this.#arrived[level] ?? 0;
      if (sum > wanted) return Math.max(0, level - 1);
    }
    return highest;
  }
}
