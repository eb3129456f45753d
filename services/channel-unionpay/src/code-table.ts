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

const OPERATIONS: readonly UnionpayOperation[] = ['pay', 'place', 'query', 'refund', 'query_refund'];

/** What is public: nothing of it is definite. Every other code is unknown, whatever class its digits are of. */
export const codeTable: CodeTable<UnionpayOperation> = createCodeTable(
  'unionpay',
  OPERATIONS.flatMap((operation) => [
    ...['01', '02', '06'].map(
      (code) => ({ operation, code, httpStatus: 200, class: 'query_now', source: SOURCE }) as const,
    ),
    ...['03', '04', '05'].map(
      (code) => ({ operation, code, httpStatus: 200, class: 'processing', source: SOURCE }) as const,
    ),
  ]),
);

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
