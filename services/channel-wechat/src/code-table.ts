import {
  type AnswerTrust,
  type CodeMeaning,
  type CodeRow,
  type CodeTable,
  createCodeTable,
  meaningOf,
} from '@tillmesh/channel-kit';
import type { DeclineReason } from '@tillmesh/domain';

/** What v2 is asked: micropay, orderquery, reverse. */
export type V2Operation = 'pay' | 'query' | 'reverse';
/** What v3 is asked: place an order, take a payment code, ask about an order, close it, reverse it; refund, ask about the refund. */
export type V3Operation = 'place' | 'codepay' | 'query' | 'close' | 'reverse' | 'refund' | 'query_refund';

const MICROPAY = 'pay.weixin.qq.com/wiki/doc/api/micropay.php?chapter=9_10, column 支付状态';
const ORDERQUERY = 'pay.weixin.qq.com/wiki/doc/api/micropay.php?chapter=9_2';
const REVERSE = 'pay.weixin.qq.com/wiki/doc/api/micropay.php?chapter=9_11';
const V3_ORDERS = 'pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter7_2_6.shtml; newer pages spell with underscore';
const V3_REFUNDS =
  'as V3_ORDERS, for what is refused before the order is looked at; github wechatpay-apiv3/wechatpay-go';

const v2Failed = (code: string, declineReason: DeclineReason, configAlarm = false): CodeRow<V2Operation> => ({
  operation: 'pay',
  code,
  httpStatus: 200,
  class: 'failed_definite',
  declineReason,
  configAlarm,
  source: MICROPAY,
});

const v2Open = (
  operation: V2Operation,
  code: string,
  openClass: 'query_now' | 'pending_payer' | 'unknown',
  source: string,
): CodeRow<V2Operation> => ({ operation, code, httpStatus: 200, class: openClass, source });

/** WeChat Pay v2. v2 answers every error with HTTP 200. */
export const v2Codes: CodeTable<V2Operation> = createCodeTable('wechat-v2', [
  v2Open('pay', 'SYSTEMERROR', 'query_now', MICROPAY),
  v2Open('pay', 'BANKERROR', 'query_now', MICROPAY),
  v2Open('pay', 'USERPAYING', 'pending_payer', MICROPAY),
  // The document calls these failed; but they speak of an earlier state of this order number, or collect many causes.
  v2Open('pay', 'ORDERPAID', 'query_now', MICROPAY),
  v2Open('pay', 'ORDERCLOSED', 'query_now', MICROPAY),
  v2Open('pay', 'ORDERREVERSED', 'query_now', MICROPAY),
  v2Open('pay', 'OUT_TRADE_NO_USED', 'query_now', MICROPAY),
  v2Open('pay', 'INVALID_REQUEST', 'query_now', MICROPAY),
  v2Open('pay', 'TRADE_ERROR', 'query_now', MICROPAY),
  v2Failed('AUTHCODEEXPIRE', 'payment_code_invalid'),
  v2Failed('AUTH_CODE_ERROR', 'payment_code_invalid'),
  v2Failed('AUTH_CODE_INVALID', 'payment_code_invalid'),
  v2Failed('NOTENOUGH', 'insufficient_funds'),
  v2Failed('NOTSUPORTCARD', 'insufficient_funds'),
  v2Failed('BUYER_MISMATCH', 'payer_refused'),
  v2Failed('NOAUTH', 'account_refused', true),
  v2Failed('APPID_NOT_EXIST', 'account_refused', true),
  v2Failed('MCHID_NOT_EXIST', 'account_refused', true),
  v2Failed('APPID_MCHID_NOT_MATCH', 'account_refused', true),
  v2Failed('SIGNERROR', 'account_refused', true),
  v2Failed('PARAM_ERROR', 'other'),
  v2Failed('LACK_PARAMS', 'other'),
  v2Failed('XML_FORMAT_ERROR', 'other'),
  v2Failed('NOT_UTF8', 'other'),
  v2Failed('REQUIRE_POST_METHOD', 'other'),

  {
    operation: 'query',
    code: 'ORDERNOTEXIST',
    aliases: ['ORDER_NOT_EXIST'],
    httpStatus: 200,
    class: 'unknown',
    orderNotFound: true,
    source: ORDERQUERY,
  },
  v2Open('query', 'SYSTEMERROR', 'query_now', ORDERQUERY),

  v2Open('reverse', 'USERPAYING', 'pending_payer', REVERSE),
  v2Open('reverse', 'SYSTEMERROR', 'query_now', REVERSE),
]);

const v3Failed = (
  operation: V3Operation,
  code: string,
  httpStatus: number,
  declineReason: DeclineReason,
  more: { readonly aliases?: readonly string[]; readonly configAlarm?: boolean } = {},
): CodeRow<V3Operation> => ({
  operation,
  code,
  httpStatus,
  class: 'failed_definite',
  declineReason,
  source: operation === 'refund' ? V3_REFUNDS : V3_ORDERS,
  ...more,
});

const v3Open = (
  operation: V3Operation,
  code: string,
  httpStatus: number,
  openClass: 'query_now' | 'pending_payer' | 'unknown' | 'config_alarm',
  ...aliases: string[]
): CodeRow<V3Operation> => ({ operation, code, aliases, httpStatus, class: openClass, source: V3_ORDERS });

/** The page knows one table for all ways to pay. */
const v3Paying = (operation: 'place' | 'codepay'): readonly CodeRow<V3Operation>[] => [
  v3Open(operation, 'USERPAYING', 202, 'pending_payer', 'USER_PAYING'),
  v3Failed(operation, 'PARAM_ERROR', 400, 'other'),
  v3Open(operation, 'INVALID_REQUEST', 400, 'query_now'),
  v3Open(operation, 'ORDER_CLOSED', 400, 'query_now', 'ORDERCLOSED'),
  v3Open(operation, 'ORDERPAID', 400, 'query_now', 'ORDER_PAID'),
  v3Failed(operation, 'MCH_NOT_EXISTS', 400, 'account_refused', { configAlarm: true }),
  v3Failed(operation, 'APPID_MCHID_NOT_MATCH', 400, 'account_refused', { configAlarm: true }),
  v3Failed(operation, 'SIGN_ERROR', 401, 'account_refused', { configAlarm: true }),
  v3Open(operation, 'TRADE_ERROR', 403, 'query_now'),
  v3Open(operation, 'RULELIMIT', 403, 'unknown', 'RULE_LIMIT'),
  v3Open(operation, 'OUT_TRADE_NO_USED', 403, 'query_now'),
  v3Failed(operation, 'NOTENOUGH', 403, 'insufficient_funds', { aliases: ['NOT_ENOUGH'] }),
  v3Failed(operation, 'NOAUTH', 403, 'account_refused', { aliases: ['NO_AUTH'], configAlarm: true }),
  v3Failed(operation, 'ACCOUNTERROR', 403, 'payer_refused'),
  v3Open(operation, 'ORDERNOTEXIST', 404, 'unknown', 'ORDER_NOT_EXIST'),
  v3Open(operation, 'FREQUENCY_LIMITED', 429, 'unknown', 'RATELIMIT_EXCEEDED'),
  v3Open(operation, 'SYSTEMERROR', 500, 'query_now', 'SYSTEM_ERROR'),
  v3Open(operation, 'BANKERROR', 500, 'query_now', 'BANK_ERROR'),
  v3Open(operation, 'OPENID_MISMATCH', 500, 'unknown'),
  v3Open(operation, 'INVALID_TRANSACTIONID', 500, 'unknown'),
];

/** WeChat Pay v3. */
export const v3Codes: CodeTable<V3Operation> = createCodeTable('wechat-v3', [
  ...v3Paying('place'),
  // The same page lists what a payment code is told; what it does not list (a code that has expired, too) has to be asked for.
  ...v3Paying('codepay'),

  {
    operation: 'query',
    code: 'ORDERNOTEXIST',
    aliases: ['ORDER_NOT_EXIST'],
    httpStatus: 404,
    class: 'unknown',
    orderNotFound: true,
    source: V3_ORDERS,
  },
  v3Open('query', 'SYSTEMERROR', 500, 'query_now', 'SYSTEM_ERROR'),
  v3Open('query', 'SIGN_ERROR', 401, 'config_alarm'),
  v3Open('query', 'MCH_NOT_EXISTS', 400, 'config_alarm'),

  v3Open('close', 'USERPAYING', 202, 'pending_payer', 'USER_PAYING'),
  v3Open('close', 'ORDERPAID', 400, 'query_now', 'ORDER_PAID'),
  v3Open('close', 'ORDER_CLOSED', 400, 'query_now', 'ORDERCLOSED'),
  // On close it may mean that the user is paying at this moment (community thread oCJUsw5FUOCHBKRtevasAq85LY7s).
  v3Open('close', 'FREQUENCY_LIMITED', 429, 'unknown', 'RATELIMIT_EXCEEDED'),
  v3Open('close', 'SYSTEMERROR', 500, 'query_now', 'SYSTEM_ERROR'),

  v3Open('reverse', 'USERPAYING', 202, 'pending_payer', 'USER_PAYING'),
  v3Open('reverse', 'ORDERNOTEXIST', 404, 'unknown', 'ORDER_NOT_EXIST'),
  v3Open('reverse', 'FREQUENCY_LIMITED', 429, 'unknown', 'RATELIMIT_EXCEEDED'),
  v3Open('reverse', 'SYSTEMERROR', 500, 'query_now', 'SYSTEM_ERROR'),

  // Refused before the order was looked at. NOT_ENOUGH (the merchant's balance) is not here: the same refund number is to be
  // sent again when there is money.
  v3Failed('refund', 'PARAM_ERROR', 400, 'other'),
  v3Failed('refund', 'MCH_NOT_EXISTS', 400, 'account_refused'),
  v3Failed('refund', 'SIGN_ERROR', 401, 'account_refused'),
  v3Failed('refund', 'NOAUTH', 403, 'account_refused', { aliases: ['NO_AUTH'] }),

  {
    operation: 'query_refund',
    code: 'RESOURCE_NOT_EXISTS',
    aliases: ['REFUNDNOTEXIST', 'REFUND_NOT_EXIST'],
    httpStatus: 404,
    class: 'unknown',
    orderNotFound: true,
    source: V3_REFUNDS,
  },
]);

/**
 * What a code of WeChat Pay proves.
 *
 * @param question `api` and `operation` say what was asked; `code` is v2's err_code or v3's code; `trust` is how far the
 * answer is to be believed.
 */
export const classify = (
  question: { readonly code: string; readonly trust: AnswerTrust } & (
    | { readonly api: 'v2'; readonly operation: V2Operation }
    | { readonly api: 'v3'; readonly operation: V3Operation }
  ),
): CodeMeaning =>
  question.api === 'v2'
    ? meaningOf(v2Codes, question.operation, question.code, question.trust)
    : meaningOf(v3Codes, question.operation, question.code, question.trust);
