const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Waits after the first try, the second, and so on: 14 tries within 22 h 48 min 40 s. */
export const RETRY_DELAYS_MS: readonly number[] = [
  10 * SECOND,
  30 * SECOND,
  1 * MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  1 * HOUR,
  2 * HOUR,
  3 * HOUR,
  4 * HOUR,
  6 * HOUR,
  6 * HOUR,
];

/**
 * How long to wait after a try that failed; undefined where it was the last.
 *
 * @param attempts tries before this one.
 * @param timeScale 1 in earnest; tests and drills shorten all waits by it.
 */
export const retryDelayMs = (attempts: number, timeScale: number): number | undefined => {
  const delayMs = RETRY_DELAYS_MS[attempts];
  return delayMs === undefined ? undefined : Math.max(1, Math.round(delayMs * timeScale));
};
