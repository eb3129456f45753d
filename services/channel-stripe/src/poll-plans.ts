import type { OrderRef, PollPlan } from '@tillmesh/channel-kit';
import type { PaymentKind } from '@tillmesh/domain';

const MINUTE_MS = 60_000;

// Webhooks come first; asking is for what they lose: after 2 s, then every 2 s, slower later (our own choice: Stripe names no pace).
// Wallets are closed at the payment's expiry. A card is answered at once or after the bank's page, for which ten minutes are
// enough. A list shows what was created at once, so five minutes after the attempt, when no request of ours can be under way,
// "no such intent" is final.
const plan = (kind: PaymentKind, giveUpAfterMs: number): PollPlan => ({
  kind,
  firstAfterMs: 2_000,
  stepMs: 2_000,
  stepMaxMs: 10_000,
  giveUpAfterMs,
  endByReverse: false,
  notFoundFinalAfterMs: 5 * MINUTE_MS,
});

/** When the syncer asks Stripe. */
export const pollPlans: readonly PollPlan[] = [
  plan('merchant_qr', 120 * MINUTE_MS),
  plan('pc_redirect', 120 * MINUTE_MS),
  plan('h5', 120 * MINUTE_MS),
  plan('card', 10 * MINUTE_MS),
];

/** From then on an order that Stripe does not know can no longer be paid; ms since 1970. */
export const notFoundFinalAtMs = ({ createdAtMs, kind }: OrderRef): number =>
  createdAtMs + (pollPlans.find((own) => own.kind === kind)?.notFoundFinalAfterMs ?? 5 * MINUTE_MS);
