const FIRST_MS = 200;
const LAST_MS = 5_000;
// A child that has lived this long was well; its next end is a new story.
const WELL_AFTER_MS = 30_000;

/**
 * How long to wait before a child is started again: 200 ms, doubled with every further end up to 5 seconds, and from
 * the beginning again for a child that lived for 30 seconds.
 *
 * @returns also the count to hand in next time.
 */
export const restartDelayMs = (last: {
  readonly failures: number;
  readonly livedMs: number;
}): { readonly afterMs: number; readonly failures: number } => {
  const failures = last.livedMs >= WELL_AFTER_MS ? 0 : last.failures;
  return { afterMs: Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(failures, 10)), failures: failures + 1 };
};
