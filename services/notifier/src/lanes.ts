import type { Clock } from '@tillmesh/clock';
import { createLane, type Lane } from '@tillmesh/lane';

/**
 * Every neighbour of the notifier: one lane for each endpoint of a merchant, so that one that hangs delays nobody else.
 *
 * @param timeoutMs of one sending.
 */
export const createLanes = (clock: Clock, timeoutMs: number) => ({
  endpoint: (merchantId: string, endpointId: string): Lane =>
    createLane(
      {
        name: `endpoint.${merchantId}.${endpointId}`,
        concurrentMax: 8,
        queuedMax: 16,
        queueWaitMsMax: 1_000,
        timeoutMs,
        callsMin: 4,
        halfOpenAfterMs: 5_000,
        // A merchant's program may be slow: what is called a hang takes longer than an ordinary answer.
        stallMsMin: 3_000,
        // All calls are of one merchant.
        merchantShareMax: 1,
      },
      clock,
    ),
});
