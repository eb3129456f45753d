// The adapter's pure functions under the names that every channel's protocol.ts has, for checks against official vectors.
// UnionPay's QR interfaces encrypt nothing inside TLS: there is no `decrypt`.

export { parseAnswer, parseForm } from './acp-form.ts';
export { readCertificate, signerKeyOf, signerNameOf } from './certificate.ts';
export { classify } from './code-table.ts';
export { detailsOfOrder } from './payment-details.ts';
export { digestOf, sign, textToSign, verify } from './signature.ts';
export { readTradeBill } from './trade-bill.ts';
