/** What is known of a lane when it is asked whether anything still comes back. Times are ms. */
export type LaneView = {
  /** Since a call ended with any sign of life: an answer, or an error that was answered. */
  readonly sinceLifeMs: number;
  /** Calls under way that began after the breaker's last change. */
  readonly inFlight: number;
  readonly concurrentMax: number;
  /** Age of one of them, counted from the oldest. */
  readonly ageOf: (place: number) => number;
  /** How many of them are at least so old and began after every call that has shown a sign of life. */
  readonly silentSince: (ageMs: number) => number;
  /** How many calls of the last minute or two are known to have ended. */
  readonly known: number;
  /** The share of those that took longer. */
  readonly shareAbove: (ms: number) => number;
};

export type StallConfig = {
  /** The scale of what is long, ms: nothing is called a stall before. */
  readonly stallMsMin: number;
};

/** With fewer calls there is no saying what is usual. */
const KNOWN_MIN = 20;
/** How unlikely it has to be that all silent calls are only slow. */
const CHANCE_MAX = 0.001;
/** Looked at in turn, times the scale. */
const STEPS = [1, 2, 4, 8, 16, 32];
const IN_FLIGHT_MIN = 5;
/** Of a lane of which nothing is known yet, times the scale. */
const UNKNOWN_STEPS = 5;
/** Where some come back: most of what is under way takes so many times the scale, and hardly any usually does. */
const SLOW_STEPS = 3;
const SLOW_SHARE_USUAL = 0.05;

/**
 * Whether a lane's neighbour has stopped to answer, by the age of what is under way: with time-outs of 40 s a count of failures
 * would know after 40 s. Calls that began one after the other and are all long under way could be slow by chance; how likely that is, the last minutes tell. Where payers type, many calls are slow, and it takes more of them.
 */
export const isStalled = (view: LaneView, { stallMsMin }: StallConfig): boolean => {
  const { sinceLifeMs, inFlight, concurrentMax, ageOf, silentSince, known, shareAbove } = view;
  const many = Math.max(IN_FLIGHT_MIN, Math.ceil(concurrentMax / 2));
  if (known < KNOWN_MIN) {
    const unknownMs = UNKNOWN_STEPS * stallMsMin;
    return inFlight >= many && sinceLifeMs >= unknownMs && ageOf(0) >= unknownMs;
  }
  for (const step of STEPS) {
    const longMs = step * stallMsMin;
    if (sinceLifeMs < longMs) break;
    const silent = silentSince(longMs);
    if (silent >= 2 && Math.max(shareAbove(longMs), 1 / (known + 1)) ** silent <= CHANCE_MAX) return true;
  }
  // Some come back, but most of what is under way is far beyond what is usual.
  const slowMs = SLOW_STEPS * stallMsMin;
  return inFlight >= many && ageOf(Math.floor(inFlight / 2)) >= slowMs && shareAbove(slowMs) <= SLOW_SHARE_USUAL;
};
