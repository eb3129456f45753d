import { parentPort, workerData } from 'node:worker_threads';
import { MUTANTS } from './mutants.ts';
import { simulate } from './simulate.ts';

/** What a thread is to do. */
export type Share = {
  readonly firstSeed: number;
  readonly schedules: number;
  /** Place in MUTANTS; undefined: the protocol as it is. */
  readonly mutant?: number | undefined;
  readonly untilBad?: boolean;
  readonly secondsMax?: number | undefined;
};

const { firstSeed, schedules, mutant, untilBad = false, secondsMax } = workerData as Share;
const beganMs = performance.now();
const tally = await simulate({
  firstSeed,
  schedules,
  untilBad,
  ...(mutant === undefined ? {} : { variant: MUTANTS[mutant]?.variant ?? {} }),
  ...(secondsMax === undefined ? {} : { isOver: () => performance.now() - beganMs > secondsMax * 1_000 }),
});
parentPort?.postMessage(tally);
