import type { Clock } from '@tillmesh/clock';
import { createLane, type Lane } from '@tillmesh/lane';

/** Every neighbour of the edge. Channels give a notification 5 s; whatever takes longer is sent again by them. */
export const createLanes = (clock: Clock) => ({
  orderStore: createLane(
    {
      name: 'order-store',
      concurrentMax: 64,
      queuedMax: 128,
      queueWaitMsMax: 500,
      timeoutMs: 2_000,
      callsMin: 40,
      halfOpenAfterMs: 500,
      // One dead database group among several makes calls slow for a second: that is no stall of the order store.
      stallMsMin: 4_000,
    },
    clock,
  ),
  /** Pages of one-code QRs: a payment is made behind one of them. */
  cashier: createLane(
    {
      name: 'cashier',
      concurrentMax: 64,
      queuedMax: 64,
      queueWaitMsMax: 500,
      timeoutMs: 20_000,
      callsMin: 40,
      halfOpenAfterMs: 1_000,
    },
    clock,
  ),
  notify: (channelId: string): Lane =>
    createLane(
      {
        name: `channel-${channelId}.notify`,
        concurrentMax: 32,
        queuedMax: 64,
        queueWaitMsMax: 500,
        timeoutMs: 2_000,
        halfOpenAfterMs: 1_000,
      },
      clock,
    ),
});
