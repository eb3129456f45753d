/** What is known of a lane when it is asked whether anything still comes back. Times are ms. */
export type LaneView = {
  /** Since a call ended with any sign of life: an answer, or an error that was answered. */
  readonly sinceLifeMs: number;
  /** Calls under way that began after the breaker's last change. */
  readonly inFlight: number;
  readonly concurrentMax: number;
  readonly timeoutMs: number;
  /** Ages of the calls under way, the oldest first; only as many as are asked for. */
  readonly ageOf: (place: number) => number;
  /** 99 of 100 of the last minute took less; undefined where too few are known. */
  readonly p99Ms: number | undefined;
  /** Calls that ended with a sign of life, a second, over the last ten. */
  readonly perSecond: number;
};

export type StallConfig = {
  /** Nothing is called a stall before this, ms. */
  readonly stallMsMin: number;
};

/** So many calls that are far too late, and nothing that comes back, are no chance. */
const LATE_CALLS = 3;
const LATE_FACTOR = 3;
/** Where so many were expected and none came: less than one chance in two thousand. */
const EXPECTED_MIN = 8;
const IN_FLIGHT_MIN = 5;
const SLOW_FACTOR = 6;
/** Of a lane of which nothing is known yet. */
const UNKNOWN_STALL_MS = 5_000;

/**
 * Whether a lane's neighbour has stopped to answer, by the age of what is under way: with time-outs of 40 s a count of
 * failures would know after 40 s. Calls that are slow on purpose (a payer types) make the lane's own p99 long and its rate low, and
 * each that ends proves life.
 */
export const isStalled = (view: LaneView, { stallMsMin }: StallConfig): boolean => {
  const { sinceLifeMs, inFlight, concurrentMax, ageOf, p99Ms, perSecond } = view;
  const many = Math.max(IN_FLIGHT_MIN, Math.ceil(concurrentMax / 2));
  if (p99Ms === undefined) {
    const unknownMs = Math.max(stallMsMin, UNKNOWN_STALL_MS);
    return inFlight >= many && sinceLifeMs >= unknownMs && ageOf(0) >= unknownMs;
  }
  const lateMs = Math.max(stallMsMin, LATE_FACTOR * p99Ms);
  if (sinceLifeMs >= lateMs && inFlight >= LATE_CALLS && ageOf(LATE_CALLS - 1) >= lateMs) return true;
  if (
    sinceLifeMs >= stallMsMin &&
    inFlight >= IN_FLIGHT_MIN &&
    (sinceLifeMs * perSecond) / 1_000 >= EXPECTED_MIN &&
    ageOf(0) >= stallMsMin
  ) {
    return true;
  }
  // Some come back, but most of what is under way is far beyond what is usual.
  const slowMs = Math.max(2 * stallMsMin, SLOW_FACTOR * p99Ms);
  return inFlight >= many && ageOf(Math.floor(inFlight / 2)) >= slowMs;
};
