import type { Clock } from '@tillmesh/clock';
import { createLane } from '@tillmesh/lane';

/** Every neighbour of the reconciler. Bills are streams, which have no lane here: two are compared at once at most. */
export const createLanes = (clock: Clock) => ({
  syncer: createLane(
    {
      name: 'syncer',
      concurrentMax: 4,
      queuedMax: 0,
      queueWaitMsMax: 0,
      // A check asks the channel, and has 20 s for it.
      timeoutMs: 25_000,
      halfOpenAfterMs: 3_000,
      stallMsMin: 25_000,
    },
    clock,
  ),
  channel: (channelId: string) => ({
    describe: createLane(
      {
        name: `channel-${channelId}.describe`,
        concurrentMax: 3,
        queuedMax: 0,
        queueWaitMsMax: 0,
        timeoutMs: 5_000,
        halfOpenAfterMs: 3_000,
      },
      clock,
    ),
  }),
});
