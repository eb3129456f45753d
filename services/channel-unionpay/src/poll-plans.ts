import type { OrderRef, PollPlan } from '@tillmesh/channel-kit';

const MINUTE_MS = 60_000;

/** How long a payer may take who shows a code; it is asked for as payTimeout. */
export const CODE_MS = 2 * MINUTE_MS;
/** No code to scan lives longer: it is asked for as payTimeout. */
export const SCAN_MS_MAX = 120 * MINUTE_MS;
// Our clock and theirs may differ, and a request may still be on its way.
const AFTER_EXPIRY_MS = 5 * MINUTE_MS;

// The demos ask after 1, 2, 4, 8, 16 and 32 s about what is answered in the back, and after minutes about what a payer scans.
const plan = (kind: PollPlan['kind'], numbers: Omit<PollPlan, 'kind' | 'endByReverse'>): PollPlan => ({
  kind,
  ...numbers,
  endByReverse: false,
});

/** When the syncer asks UnionPay. */
export const pollPlans: readonly PollPlan[] = [
  plan('payment_code', {
    firstAfterMs: 1_000,
    stepMs: 2_000,
    stepMaxMs: 16_000,
    giveUpAfterMs: CODE_MS,
    notFoundFinalAfterMs: CODE_MS + AFTER_EXPIRY_MS,
  }),
  plan('merchant_qr', {
    firstAfterMs: 3_000,
    stepMs: 3_000,
    stepMaxMs: 30_000,
    giveUpAfterMs: SCAN_MS_MAX,
    notFoundFinalAfterMs: SCAN_MS_MAX + AFTER_EXPIRY_MS,
  }),
];

/** What was asked for as payTimeout of an order; ms since 1970. */
export const payTimeoutOf = ({
  kind,
  createdAtMs,
  expireAtMs,
}: Pick<OrderRef, 'kind' | 'createdAtMs' | 'expireAtMs'>): number => {
  const longestMs = createdAtMs + (kind === 'payment_code' ? CODE_MS : SCAN_MS_MAX);
  return Math.min(expireAtMs ?? longestMs, longestMs);
};

/** From then on an order that is not paid cannot be paid any more; ms since 1970. */
export const finalAtMs = (order: Pick<OrderRef, 'kind' | 'createdAtMs' | 'expireAtMs'>): number =>
  payTimeoutOf(order) + AFTER_EXPIRY_MS;
