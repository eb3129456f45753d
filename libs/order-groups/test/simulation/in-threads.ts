import { Worker } from 'node:worker_threads';
import { emptyTally, type Tally } from './simulate.ts';
import type { Share } from './simulation-worker.ts';

const runShare = (share: Share): Promise<Tally> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('simulation-worker.ts', import.meta.url), { workerData: share });
    worker.once('message', (tally: Tally) => resolve(tally));
    worker.once('error', reject);
    worker.once('exit', (status) => reject(new Error(`a thread of the simulation ended with ${status}`)));
  });

/** Sums of several tallies. */
export const addTallies = (tallies: readonly Tally[]): Tally => {
  const sum = emptyTally();
  for (const tally of tallies) {
    sum.schedules += tally.schedules;
    sum.numbers += tally.numbers;
    sum.paid += tally.paid;
    sum.twoPayable += tally.twoPayable;
    sum.takenBack += tally.takenBack;
    sum.undecided += tally.undecided;
    sum.steps += tally.steps;
    if (tally.firstBad !== undefined && (sum.firstBad === undefined || tally.firstBad < sum.firstBad)) {
      sum.firstBad = tally.firstBad;
    }
  }
  return sum;
};

/** Plays schedules in several threads, each its own seeds. */
export const simulateInThreads = async (share: Share, threads: number): Promise<Tally> => {
  const each = Math.ceil(share.schedules / threads);
  const shares = Array.from({ length: threads }, (_, thread) => ({
    ...share,
    firstSeed: share.firstSeed + thread * each,
    schedules: Math.max(0, Math.min(each, share.schedules - thread * each)),
  }));
  return addTallies(await Promise.all(shares.filter(({ schedules }) => schedules > 0).map(runShare)));
};
