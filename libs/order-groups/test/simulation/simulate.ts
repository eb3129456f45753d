import { setImmediate } from 'node:timers/promises';
import { type Variant, type Verdict, World } from './world.ts';

/** Sums over many schedules. */
export type Tally = {
  schedules: number;
  numbers: number;
  paid: number;
  twoPayable: number;
  takenBack: number;
  undecided: number;
  steps: number;
  /** The first seed that broke the promise; undefined where none did. */
  firstBad: number | undefined;
};

/** Nothing counted yet. */
export const emptyTally = (): Tally => ({
  schedules: 0,
  numbers: 0,
  paid: 0,
  twoPayable: 0,
  takenBack: 0,
  undecided: 0,
  steps: 0,
  firstBad: undefined,
});

const count = (tally: Tally, seed: number, verdict: Verdict): void => {
  tally.schedules += 1;
  tally.numbers += verdict.numbers;
  tally.paid += verdict.paid;
  tally.twoPayable += verdict.twoPayable;
  tally.takenBack += verdict.takenBack;
  tally.undecided += verdict.undecided;
  tally.steps += verdict.steps;
  const isBad = verdict.twoPayable > 0 || verdict.takenBack > 0 || verdict.undecided > 0;
  if (isBad && (tally.firstBad === undefined || seed < tally.firstBad)) tally.firstBad = seed;
};

// Promises of all of them run between two turns of the event loop: a turn is paid for once for so many schedules.
const SIDE_BY_SIDE = 256;

/** Plays the schedules of these seeds. The same seed gives the same schedule, whatever runs beside it. */
export const simulate = async (options: {
  readonly firstSeed: number;
  readonly schedules: number;
  readonly variant?: Variant;
  /** Ends with the first schedule that breaks the promise. */
  readonly untilBad?: boolean;
  readonly isOver?: () => boolean;
}): Promise<Tally> => {
  const { firstSeed, schedules, variant, untilBad = false, isOver = () => false } = options;
  const tally = emptyTally();
  const running = new Map<number, World>();
  let next = firstSeed;
  const fill = () => {
    while (running.size < SIDE_BY_SIDE && next < firstSeed + schedules && !isOver()) {
      running.set(next, new World(next, variant));
      next += 1;
    }
  };
  for (fill(); running.size > 0; fill()) {
    await setImmediate();
    for (const [seed, world] of running) {
      if (world.isOver) {
        count(tally, seed, world.verdict());
        running.delete(seed);
      } else world.step();
    }
    if (untilBad && tally.firstBad !== undefined) break;
  }
  return tally;
};
