import { ManualClock } from '@tillmesh/clock';
import { describe, expect, test } from 'vitest';
import { createMemoryQueue } from '../src/index.ts';
import { claimAll, entry, type OpenQueue, promises, survivesWorkers } from './queue-contract.ts';

const open: OpenQueue = async (limits) => {
  const clock = new ManualClock();
  return { queue: createMemoryQueue(clock, limits), pass: (ms) => clock.advance(ms), nowMs: () => clock.monotonicMs() };
};

describe('in memory,', () => {
  promises(open, 1_000);
  survivesWorkers(open, { runs: 300, steps: 80, visibilityMs: 1_000 });

  test('the machine’s clock may be set without anything coming early or late', async () => {
    const clock = new ManualClock();
    const queue = createMemoryQueue(clock);
    await queue.add([entry('it', 10_000)]);
    clock.stepWall(3_600_000);
    expect(await claimAll(queue)).toEqual([]);
    clock.stepWall(-7_200_000);
    await clock.advance(10_000);
    expect(await claimAll(queue)).toHaveLength(1);
  });
});
