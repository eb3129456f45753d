import type { Clock } from '@tillmesh/clock';
import { createLane, type Lane } from '@tillmesh/lane';

/** The ways to one channel. Repair may not take what paying needs: few at once. */
export type ChannelLanes = { readonly query: Lane; readonly refund: Lane };

/** Every neighbour of the syncer. */
export const createLanes = (clock: Clock) => ({
  orderStore: createLane(
    {
      name: 'order-store',
      concurrentMax: 64,
      queuedMax: 128,
      queueWaitMsMax: 1_000,
      timeoutMs: 3_000,
      callsMin: 40,
      halfOpenAfterMs: 500,
      // One dead database group among several makes calls slow for a second: that is no stall of the order store.
      stallMsMin: 4_000,
    },
    clock,
  ),
  channel: (channelId: string): ChannelLanes => ({
    query: createLane(
      {
        name: `channel-${channelId}.query`,
        concurrentMax: 16,
        queuedMax: 64,
        queueWaitMsMax: 2_000,
        timeoutMs: 10_000,
        halfOpenAfterMs: 3_000,
      },
      clock,
    ),
    refund: createLane(
      {
        name: `channel-${channelId}.refund`,
        concurrentMax: 8,
        queuedMax: 32,
        queueWaitMsMax: 2_000,
        timeoutMs: 15_000,
        halfOpenAfterMs: 3_000,
      },
      clock,
    ),
  }),
});
