// The adapter's pure functions under the names that every channel's protocol.ts has, for checks against official vectors.

export { parseFlatXml, writeFlatXml } from '@tillmesh/channel-kit';
export { classify } from './code-table.ts';
export { detailsOfTransaction, detailsOfV2 } from './payment-details.ts';
export { openResource as decrypt } from './resource.ts';
export { readFundFlowBill, readTradeBill } from './trade-bill.ts';
export { signV2, v2TextToSign, verifyV2 } from './v2-signature.ts';
export {
  jsapiParameters,
  signV3 as sign,
  v3TextOfAnswer,
  v3TextOfRequest,
  verifyV3 as verify,
} from './v3-signature.ts';
