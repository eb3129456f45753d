export { type AccountSettings, accountSettings } from './account-settings.ts';
export { type AccountBook, createAccountBook, fixedAccounts } from './accounts/account-book.ts';
export { type AccountFolder, type AccountProblem, readAccountFolder } from './accounts/account-folder.ts';
export {
  type AccountBundle,
  openAccount,
  parseSealingKeys,
  type SealingKeys,
  sealAccount,
} from './accounts/sealed-account.ts';
export {
  attemptReport,
  authenticityOf,
  codeReport,
  factsOf,
  nothingSent,
  outcomeOfEnd,
  outcomeOfSuccess,
  type ToldSuccess,
  unanswered,
  unansweredPayment,
} from './attempt-report.ts';
export {
  fromBeijingText,
  fromRfc3339,
  toBeijingDigits,
  toBeijingRfc3339,
  toBeijingText,
} from './beijing-time.ts';
export {
  BILL_LIMITS,
  type BillFlaw,
  type BillKind,
  type BillLimits,
  type BillLine,
  type BillLineKind,
  type BillLineState,
  type BillRead,
  type BillReport,
  type BillRequest,
  BrokenBill,
} from './bills/bill.ts';
export { parseBillAmount, roundedCents, wholeCents } from './bills/bill-amount.ts';
export { plainBytesOf, sha1Of } from './bills/bill-bytes.ts';
export { type BillDay, billDayOf } from './bills/bill-day.ts';
export { type BillSpool, openBillSpool } from './bills/bill-spool.ts';
export { type BillEncoding, type TextLine, textLinesOf } from './bills/bill-text.ts';
export { BillTotals } from './bills/bill-totals.ts';
export { withZip, type ZipEntry } from './bills/bill-zip.ts';
export { RepeatedLines } from './bills/repeated-lines.ts';
export {
  type AttemptReport,
  type CallFacts,
  type Channel,
  type ChannelBills,
  type ChannelCall,
  type CloseEnd,
  type CloseReport,
  defineChannel,
  type NotificationAnswer,
  type NotificationRefusal,
  type NotificationReport,
  type OrderRef,
  type PayerAuthRequest,
  type PayerReport,
  type PaymentRequest,
  type PollPlan,
  type RawNotification,
  type RefundRef,
  type RefundReport,
  type RefundRequest,
} from './channel.ts';
export { type ChannelHttp, createChannelHttp, type Domains, type HttpHost, type HttpLimits } from './channel-http.ts';
export { type ChannelLanes, LANE_NAMES, type LaneName, type LaneNumbers } from './channel-lanes.ts';
export { type ChannelSettings, channelSettings, hostsOf, httpLimitsOf } from './channel-settings.ts';
export {
  type AnswerTrust,
  type CodeClass,
  type CodeMeaning,
  type CodeRow,
  type CodeTable,
  createCodeTable,
  meaningOf,
  unsignedIsCredible,
} from './code-table.ts';
export { parseFlatXml, writeFlatXml, xmlSafe } from './flat-xml.ts';
export { type BodySink, type HttpAnswer, type HttpExchange, type HttpRequest, headerOf } from './http-exchange.ts';
export {
  isJsonObject,
  type JsonObject,
  objectAt,
  parseJsonObject,
  rawMemberOf,
  textAt,
  utf8TextOf,
  wholeNumberAt,
} from './json-text.ts';
export { parsePrivateKey, parsePublicKey, privateKeyFile, publicKeyFile } from './keys.ts';
export {
  type ReadDetails,
  readDetails,
  settledWithout,
  type ToldDetails,
  toldList,
  toldText,
  toldValue,
  unreadable,
} from './payment-details.ts';
export { refundReport, refundStateOf, type ToldRefund } from './refund-report.ts';
export { runChannel } from './run-channel.ts';
export { type ServeChannelOptions, type ServedChannel, serveChannel } from './serve-channel.ts';
export {
  equalInConstantTime,
  hmacSha256Hex,
  md5Hex,
  openAes256Gcm,
  signRsaSha256,
  verifyRsaSha256,
} from './signing.ts';
