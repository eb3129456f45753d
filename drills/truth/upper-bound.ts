const STEPS = 100;

/** ln of the binomial coefficient "trials over events". */
const lnChoose = (trials: number, events: number): number => {
  let sum = 0;
  for (let place = 1; place <= events; place += 1) sum += Math.log((trials - events + place) / place);
  return sum;
};

/** How probable it is to see so few events where each trial has one with probability `rate`. */
const atMost = (events: number, trials: number, rate: number): number => {
  let sum = 0;
  for (let count = 0; count <= events; count += 1)
    sum += Math.exp(lnChoose(trials, count) + count * Math.log(rate) + (trials - count) * Math.log1p(-rate));
  return sum;
};

/**
 * The highest rate that what was seen does not contradict: above it so few events would be seen less often than once in 1 / (1 - confidence) times (Clopper and Pearson,
 * one-sided). Without an event it is about 3 / trials.
 *
 * @param confidence between 0 and 1.
 */
export const upperBound = (events: number, trials: number, confidence = 0.95): number => {
  if (events >= trials) return 1;
  let [low, high] = [0, 1];
  for (let step = 0; step < STEPS; step += 1) {
    const middle = (low + high) / 2;
    if (atMost(events, trials, middle) > 1 - confidence) low = middle;
    else high = middle;
  }
  return high;
};
