import type { OrderRef, PollPlan } from '@tillmesh/channel-kit';

const MINUTE_MS = 60_000;

/** No code to scan lives longer: what Alipay gives it where nothing is said, and the most that we ask for. */
export const SCAN_CODE_MINUTES_MAX = 120;

// Payment codes: wait about 5 s, ask every 3 to 5 s up to 60 s, then cancel at once; the channel closes such a trade by itself
// after about 3 minutes. Orders to scan make no trade before the scan, and the code lives for 2 hours at most: only after that
// and a cancel "no such trade" is final. Both end by a cancel, because a close refuses what was never scanned.
// Sources: ANTOM practice and error_handling; opendocs alipay.trade.precreate.
const NOT_FOUND_FINAL_MS = (SCAN_CODE_MINUTES_MAX + 5) * MINUTE_MS;

const codePlan: PollPlan = {
  kind: 'payment_code',
  firstAfterMs: 5_000,
  stepMs: 3_000,
  stepMaxMs: 5_000,
  giveUpAfterMs: MINUTE_MS,
  endByReverse: true,
  notFoundFinalAfterMs: 3 * MINUTE_MS,
};

// What the payer opens by an address or in an app makes no trade before that either, and the text counts until the payment's expiry.
// A trade that was created exists at once; it ends in the same way, so that there is one.
const openPlan = (kind: PollPlan['kind']): PollPlan => ({
  kind,
  firstAfterMs: 5_000,
  stepMs: 3_000,
  stepMaxMs: 10_000,
  giveUpAfterMs: SCAN_CODE_MINUTES_MAX * MINUTE_MS,
  endByReverse: true,
  notFoundFinalAfterMs: NOT_FOUND_FINAL_MS,
});

/** When the syncer asks Alipay. */
export const pollPlans: readonly PollPlan[] = [
  codePlan,
  ...(['merchant_qr', 'jsapi', 'mini_program', 'h5', 'pc_redirect', 'app'] as const).map(openPlan),
];

// Our clock and theirs may differ, and a request may still be on its way.
const AFTER_EXPIRY_MS = 5 * MINUTE_MS;

/** From then on an order that Alipay does not know can no longer be paid; ms since 1970. A code lives no longer than its payment. */
export const notFoundFinalAtMs = ({ kind, createdAtMs, expireAtMs }: OrderRef): number => {
  if (kind === 'payment_code') return createdAtMs + codePlan.notFoundFinalAfterMs;
  const longestMs = createdAtMs + NOT_FOUND_FINAL_MS;
  return expireAtMs === undefined ? longestMs : Math.min(expireAtMs + AFTER_EXPIRY_MS, longestMs);
};
