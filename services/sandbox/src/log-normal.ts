import type { Random } from '@tillmesh/clock';

/** What lies below the 99th of 100, in standard deviations of a normal distribution. */
const Z_99 = 2.326_347_874;

/** A time as answers of a busy channel take it: most near the median, a few far above. @returns ms, at most ten times p99. */
export const logNormalMs = (random: Random, medianMs: number, p99Ms: number): number => {
  const deviation = Math.log(p99Ms / medianMs) / Z_99;
  // Box and Muller; the logarithm of 0 is not a number.
  const normal = Math.sqrt(-2 * Math.log(1 - random.fraction())) * Math.cos(2 * Math.PI * random.fraction());
  return Math.min(p99Ms * 10, medianMs * Math.exp(normal * deviation));
};
