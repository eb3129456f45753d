import type { PollPlan } from '@tillmesh/channel-kit';

/** When the syncer asks UnionPay QRA. */
export const pollPlans: readonly PollPlan[] = [
  {
    kind: 'payment_code',
    firstAfterMs: 5_000,
    stepMs: 5_000,
    stepMaxMs: 10_000,
    giveUpAfterMs: 45_000,
    endByReverse: false,
    // A code is shown for a minute and a request of ours ends after 12 s: later nothing can be taken under a number that the
    // channel does not know.
    notFoundFinalAfterMs: 120_000,
  },
];
