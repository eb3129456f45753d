import { type AnswerTrust, type CodeMeaning, type CodeTable, createCodeTable, meaningOf } from '@tillmesh/channel-kit';
import type { DeclineReason } from '@tillmesh/domain';

/** What UnionPay is asked: a payment by code, an order to scan, a query, a refund. */
export type UnionpayOperation = 'pay' | 'place' | 'query' | 'refund' | 'query_refund';

/** Codes that an operator has read in the appendix of the contract. */
export type ConfirmedCodes = {
  readonly notFound: readonly string[];
  readonly declined: Readonly<Record<string, DeclineReason>>;
};

const SOURCE = 'ACP 5.1.0, comments of the official demos; the appendix of codes is not public';
const PAYOUT_DEMO = 'ACP 5.1.0, the official demo of payouts asks after these as well';

const ASK_NOW = ['01', '02', '06'];
const UNDER_WAY = ['03', '04', '05'];
// Their demo of payouts asks after these before it believes them; what they mean stands in the appendix.
const ASK_FIRST = ['12', '34', '60'];

const ASKED: readonly UnionpayOperation[] = ['query', 'query_refund'];
const DONE: readonly UnionpayOperation[] = ['pay', 'place', 'refund'];

/** What is public: nothing of it is definite. Every other code is unknown, whatever class its digits are of. */
export const codeTable: CodeTable<UnionpayOperation> = createCodeTable('unionpay', [
  ...[...DONE, ...ASKED].flatMap((operation) => [
    ...ASK_NOW.map((code) => ({ operation, code, httpStatus: 200, class: 'query_now', source: SOURCE }) as const),
    ...UNDER_WAY.map((code) => ({ operation, code, httpStatus: 200, class: 'processing', source: SOURCE }) as const),
    // A success with defects: money has moved, and a person looks at the rest.
    { operation, code: 'A6', httpStatus: 200, class: 'unknown', source: SOURCE } as const,
  ]),
  ...DONE.flatMap((operation) =>
    ASK_FIRST.map((code) => ({ operation, code, httpStatus: 200, class: 'query_now', source: PAYOUT_DEMO }) as const),
  ),
]);

/** Whether an account may call a code of a payment definite: not what UnionPay's own demos ask after, and no success. */
export const mayBeDefinite = (code: string): boolean => code !== '00' && codeTable.find('pay', code) === undefined;

const NOTHING_CONFIRMED: ConfirmedCodes = { notFound: [], declined: {} };

/**
 * What a code proves in the answer that carried it.
 *
 * @param told.confirmed of the account; nothing unless told. Of a payment by code they may be definite, of a query they may say that
 *   there is no such order.
 */
export const classify = (told: {
  readonly operation: UnionpayOperation;
  readonly code: string;
  readonly trust: AnswerTrust;
  readonly confirmed?: ConfirmedCodes;
}): CodeMeaning => {
  const { operation, code, trust, confirmed = NOTHING_CONFIRMED } = told;
  const meaning = meaningOf(codeTable, operation, code, trust);
  if (codeTable.find(operation, code) !== undefined || trust.signature !== 'verified' || trust.httpStatus !== 200)
    return meaning;
  if ((operation === 'query' || operation === 'query_refund') && confirmed.notFound.includes(code)) {
    return { ...meaning, ruleId: `unionpay.confirmed.${operation}.${code}`, orderNotFound: true };
  }
  const reason = operation === 'pay' && Object.hasOwn(confirmed.declined, code) ? confirmed.declined[code] : undefined;
  if (reason === undefined) return meaning;
  const ruleId = `unionpay.confirmed.pay.${code}`;
  return {
    ...meaning,
    class: 'failed_definite',
    ruleId,
    failure: { evidence: { transport: 'answered', signature: 'verified', ruleId }, reason },
  };
};
