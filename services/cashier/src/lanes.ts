import type { Clock } from '@tillmesh/clock';
import { createLane, type Lane } from '@tillmesh/lane';

/** The ways to one channel: apart, because the query must work while pay hangs. */
export type ChannelLanes = { readonly pay: Lane; readonly refund: Lane; readonly query: Lane };

/** Every neighbour of the cashier. Reading the numbers is reading what a sick one can cost. */
export const createLanes = (clock: Clock) => ({
  orderStore: createLane(
    {
      name: 'order-store',
      concurrentMax: 128,
      queuedMax: 256,
      queueWaitMsMax: 300,
      timeoutMs: 3_000,
      callsMin: 40,
      halfOpenAfterMs: 300,
      // One dead database group among several makes calls slow for a second: that is no stall of the order store.
      stallMsMin: 4_000,
    },
    clock,
  ),
  channel: (channelId: string): ChannelLanes => ({
    // 30 s: a payer may be typing. 64 at once is more than any account's contract allows today.
    pay: createLane(
      {
        name: `channel-${channelId}.pay`,
        concurrentMax: 64,
        queuedMax: 16,
        queueWaitMsMax: 100,
        timeoutMs: 30_000,
        halfOpenAfterMs: 1_000,
      },
      clock,
    ),
    refund: createLane(
      {
        name: `channel-${channelId}.refund`,
        concurrentMax: 16,
        queuedMax: 32,
        queueWaitMsMax: 500,
        timeoutMs: 15_000,
        halfOpenAfterMs: 1_000,
      },
      clock,
    ),
    query: createLane(
      {
        name: `channel-${channelId}.query`,
        concurrentMax: 32,
        queuedMax: 32,
        queueWaitMsMax: 200,
        timeoutMs: 8_000,
        halfOpenAfterMs: 1_000,
      },
      clock,
    ),
  }),
});
