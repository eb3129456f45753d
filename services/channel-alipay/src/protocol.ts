// The adapter's pure functions under the names that every channel's protocol.ts has, for checks against official vectors.
// Alipay's answers and notifications are not encrypted in the mode that is used: there is no `decrypt`.

export { readCertificate, rootCertSn } from './certificate.ts';
export { rawResponseOf } from './client.ts';
export { classify } from './code-table.ts';
export { parseForm } from './notification.ts';
export { detailsOfTrade } from './payment-details.ts';
export {
  signRequest as sign,
  textOfRequest,
  textsOfNotification,
  verifyAnswer as verify,
  verifyNotification,
} from './signature.ts';
export { readTradeBill } from './trade-bill.ts';
