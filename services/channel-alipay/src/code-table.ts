import {
  type AnswerTrust,
  type CodeMeaning,
  type CodeRow,
  type CodeTable,
  createCodeTable,
  meaningOf,
} from '@tillmesh/channel-kit';
import type { DeclineReason } from '@tillmesh/domain';

/** What Alipay is asked, by the last words of its methods. */
export type AlipayOperation = 'pay' | 'precreate' | 'create' | 'query' | 'cancel' | 'close' | 'refund' | 'query_refund';

const PAY = 'error table of alipay.trade.pay; opendocs.alipay.com/open/02ekfp';
const COMMON = 'common codes of the gateway; opendocs.alipay.com/common/02km9f';
const QUERY = 'error table of alipay.trade.query; developer.aliyun.com/article/710933';

type Definite = readonly [code: string, reason: DeclineReason, configAlarm?: 'alarm'];

// Refused before any order was looked at.
const REQUEST_REFUSED: readonly Definite[] = [
  ['40001', 'other'],
  // Signature and application id among others.
  ['40002', 'account_refused', 'alarm'],
  ['40006', 'account_refused', 'alarm'],
  ['ACQ.INVALID_PARAMETER', 'other'],
];

// Refused for what the merchant is or may: true of placing an order as well as of paying it.
const MERCHANT_REFUSED: readonly Definite[] = [
  ['ACQ.ACCESS_FORBIDDEN', 'account_refused', 'alarm'],
  ['ACQ.PARTNER_ERROR', 'account_refused', 'alarm'],
  ['ACQ.SELLER_BEEN_BLOCKED', 'account_refused', 'alarm'],
  ['ACQ.BEYOND_PAY_RESTRICTION', 'account_refused', 'alarm'],
  ['ACQ.BEYOND_PER_RECEIPT_RESTRICTION', 'account_refused'],
  ['ACQ.TOTAL_FEE_EXCEED', 'account_refused'],
  ['ACQ.EXIST_FORBIDDEN_WORD', 'other'],
  ['ACQ.INVALID_STORE_ID', 'other'],
];

const PAYER_REFUSED: readonly Definite[] = [
  ['ACQ.PAYMENT_AUTH_CODE_INVALID', 'payment_code_invalid'],
  ['ACQ.BUYER_BALANCE_NOT_ENOUGH', 'insufficient_funds'],
  ['ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH', 'insufficient_funds'],
  ['ACQ.ERROR_BALANCE_PAYMENT_DISABLE', 'insufficient_funds'],
  ['ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR', 'insufficient_funds'],
  ['ACQ.BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR', 'insufficient_funds'],
  ['ACQ.NO_PAYMENT_INSTRUMENTS_AVAILABLE', 'insufficient_funds'],
  ['ACQ.BUYER_ENABLE_STATUS_FORBID', 'payer_refused'],
  ['ACQ.ERROR_BUYER_CERTIFY_LEVEL_LIMIT', 'payer_refused'],
  ['ACQ.USER_FACE_PAYMENT_SWITCH_OFF', 'payer_refused'],
  ['ACQ.BUYER_SELLER_EQUAL', 'payer_refused'],
];

const definite = (operation: AlipayOperation, rows: readonly Definite[]): CodeRow<AlipayOperation>[] =>
  rows.map(([code, declineReason, alarm]) => ({
    operation,
    code,
    httpStatus: 200,
    class: 'failed_definite',
    declineReason,
    configAlarm: alarm === 'alarm',
    source: code.startsWith('ACQ.') ? PAY : COMMON,
  }));

type OpenClass = 'query_now' | 'pending_payer' | 'config_alarm' | 'unknown';
const open = (
  operation: AlipayOperation,
  code: string,
  openClass: OpenClass,
  source: string,
): CodeRow<AlipayOperation> => ({ operation, code, httpStatus: 200, class: openClass, source });

const commonOpen = (operation: AlipayOperation): CodeRow<AlipayOperation>[] => [
  open(operation, '20000', 'query_now', COMMON),
  open(operation, '20001', 'config_alarm', COMMON),
  open(operation, 'ACQ.SYSTEM_ERROR', 'query_now', PAY),
];

const orderOpen = (operation: AlipayOperation): CodeRow<AlipayOperation>[] => [
  ...commonOpen(operation),
  open(operation, 'ACQ.TRADE_HAS_SUCCESS', 'query_now', PAY),
  open(operation, 'ACQ.TRADE_HAS_CLOSE', 'query_now', PAY),
  open(operation, 'ACQ.CONTEXT_INCONSISTENT', 'query_now', PAY),
];

const notExist = (operation: AlipayOperation): CodeRow<AlipayOperation> => ({
  operation,
  code: 'ACQ.TRADE_NOT_EXIST',
  httpStatus: 200,
  class: 'unknown',
  // An order to scan makes no trade before it is scanned: it is no failure, and final only after the order's own expiry.
  orderNotFound: true,
  source: QUERY,
});

/** Alipay. The gateway answers every error with HTTP 200. */
export const alipayCodes: CodeTable<AlipayOperation> = createCodeTable('alipay', [
  ...orderOpen('pay'),
  open('pay', '10003', 'pending_payer', PAY),
  open('pay', 'ACQ.TRADE_BUYER_NOT_MATCH', 'query_now', PAY),
  // "Retry once", says the table: then it is not over. The wallet may still be paying; the words of risk vary.
  open('pay', 'ACQ.PAYMENT_FAIL', 'unknown', PAY),
  open('pay', 'ACQ.PULL_MOBILE_CASHIER_FAIL', 'unknown', PAY),
  open('pay', 'ACQ.PAYMENT_REQUEST_HAS_RISK', 'unknown', PAY),
  ...definite('pay', [...REQUEST_REFUSED, ...MERCHANT_REFUSED, ...PAYER_REFUSED]),

  ...orderOpen('create'),
  ...definite('create', [...REQUEST_REFUSED, ...MERCHANT_REFUSED]),
  ...orderOpen('precreate'),
  ...definite('precreate', [...REQUEST_REFUSED, ...MERCHANT_REFUSED]),

  ...commonOpen('query'),
  notExist('query'),
  open('query', '40002', 'config_alarm', COMMON),
  open('query', '40006', 'config_alarm', COMMON),
  ...commonOpen('cancel'),
  ...commonOpen('close'),
  notExist('close'),

  ...commonOpen('refund'),
  ...definite('refund', REQUEST_REFUSED),
  ...commonOpen('query_refund'),
]);

/**
 * What a code of Alipay proves.
 *
 * @param question.code the gateway's code; question.subCode its sub_code, empty where it has none. A code of the trade
 * (`ACQ.`) says more than the gateway's, and is definite only under 40004, "business failed".
 */
export const classify = (question: {
  readonly operation: AlipayOperation;
  readonly code: string;
  readonly subCode: string;
  readonly trust: AnswerTrust;
}): CodeMeaning => {
  const { operation, code, subCode, trust } = question;
  if (!subCode.startsWith('ACQ.')) return meaningOf(alipayCodes, operation, code, trust);
  const meaning = meaningOf(alipayCodes, operation, subCode, trust);
  return meaning.failure !== undefined && code !== '40004'
    ? { ...meaning, class: 'unknown', failure: undefined, ruleId: '' }
    : meaning;
};
