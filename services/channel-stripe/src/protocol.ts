// The adapter's pure functions under the names that every channel's protocol.ts has, for checks against official vectors.
// Stripe encrypts nothing inside TLS and signs no answers: there is no `decrypt`, and `verify` is of webhooks.

export { readBalanceTransactions } from './balance-transactions.ts';
export { classify, declineReasonOf } from './code-table.ts';
export { encodeForm } from './form.ts';
export { detailsOfIntent } from './payment-details.ts';
export { signWebhook as sign, TOLERANCE_SECONDS, verifyWebhook as verify, webhookHmac } from './signature.ts';
