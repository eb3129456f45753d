// The adapter's pure functions under the names that every channel's protocol.ts has, for checks against official vectors.
// UnionPay QRA encrypts nothing inside TLS: there is no `decrypt`.

export { classify } from './code-table.ts';
export { detailsOfPayment } from './payment-details.ts';
export { sign, verify } from './signature.ts';
