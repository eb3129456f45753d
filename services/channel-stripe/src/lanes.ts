import type { ChannelLanes } from '@tillmesh/channel-kit';

// Stripe takes 100 requests a second in live mode and 25 in test mode, 20 of them searches (docs.stripe.com/rate-limits). A card
// is answered in one to three seconds, as a payment code is.
export const lanes: ChannelLanes = {
  pay: { concurrentMax: 64, queuedMax: 16, queueWaitMsMax: 500, timeoutMs: 12_000, halfOpenAfterMs: 1_000 },
  refund: { concurrentMax: 16, queuedMax: 32, queueWaitMsMax: 2_000, timeoutMs: 10_000, halfOpenAfterMs: 5_000 },
  query: { concurrentMax: 32, queuedMax: 64, queueWaitMsMax: 1_000, timeoutMs: 6_000, halfOpenAfterMs: 1_000 },
  notify: { concurrentMax: 32, queuedMax: 64, queueWaitMsMax: 500, timeoutMs: 1_000, halfOpenAfterMs: 1_000 },
  bill: { concurrentMax: 2, queuedMax: 0, queueWaitMsMax: 0, timeoutMs: 300_000, halfOpenAfterMs: 10_000 },
};
