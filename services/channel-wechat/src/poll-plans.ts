import type { PollPlan } from '@tillmesh/channel-kit';

// Payment codes: the documents say every 10 s up to 45 s, the official skills every 5 s up to 30 s, then reverse; unpaid orders
// are revoked by the channel at about 45 s. A code is shown for a minute and a request of ours ends after 12 s: two minutes after
// the attempt nothing can be taken any more under an order that the channel does not know.
// Orders to scan or to pay in a page: every 2 s for the first minute, then slower, closed at the payment's expiry. The
// channel knows them from the moment it takes the request, paid or not.
const codePlan: PollPlan = {
  kind: 'payment_code',
  firstAfterMs: 5_000,
  stepMs: 5_000,
  stepMaxMs: 10_000,
  giveUpAfterMs: 45_000,
  endByReverse: true,
  notFoundFinalAfterMs: 120_000,
};

const orderPlan = (kind: PollPlan['kind']): PollPlan => ({
  kind,
  firstAfterMs: 2_000,
  stepMs: 2_000,
  stepMaxMs: 10_000,
  giveUpAfterMs: 7_200_000,
  endByReverse: false,
  notFoundFinalAfterMs: 120_000,
});

/** When the syncer asks WeChat Pay. Sources: doc/v2/merchant/4011937125, wechatpay-skills section 6. */
export const pollPlans: readonly PollPlan[] = [
  codePlan,
  ...(['merchant_qr', 'jsapi', 'mini_program', 'h5', 'app'] as const).map(orderPlan),
];
