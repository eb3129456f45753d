import type { Clock } from '@tillmesh/clock';
import { createLane } from '@tillmesh/lane';

/** Every neighbour of routing. */
export const createLanes = (clock: Clock) => ({
  /** Only explanations of stored payments ask it. */
  orderStore: createLane(
    {
      name: 'order-store',
      concurrentMax: 8,
      queuedMax: 8,
      queueWaitMsMax: 100,
      timeoutMs: 1_500,
      halfOpenAfterMs: 1_000,
      // One dead database group among several makes calls slow for a second: that is no stall of the order store.
      stallMsMin: 4_000,
    },
    clock,
  ),
});
