import {
  type AnswerTrust,
  type CodeClass,
  type CodeMeaning,
  type CodeTable,
  createCodeTable,
  meaningOf,
} from '@tillmesh/channel-kit';
import type { DeclineReason } from '@tillmesh/domain';

/** What QRA is asked: unified.trade.micropay, unified.trade.query. */
export type QraOperation = 'pay' | 'query';

// The gateway hands the wallet's own code on. Listed as definite is what the wallet itself calls final for a payment code, and
// it counts only where the gateway says besides that nobody has to ask: need_query N.
const SOURCE = 'unified.trade.micropay, "need_query" and err_code; WeChat Pay v2 micropay, error codes';

const failed = (code: string, declineReason: DeclineReason, configAlarm = false) =>
  ({
    operation: 'pay',
    code,
    httpStatus: 200,
    class: 'failed_definite',
    declineReason,
    configAlarm,
    source: SOURCE,
  }) as const;
const open = (operation: QraOperation, code: string, openClass: Exclude<CodeClass, 'failed_definite'>) =>
  ({ operation, code, httpStatus: 200, class: openClass, source: SOURCE }) as const;

/** QRA answers everything with HTTP 200. */
export const codeTable: CodeTable<QraOperation> = createCodeTable('qra', [
  failed('NOTENOUGH', 'insufficient_funds'),
  failed('AUTHCODEEXPIRE', 'payment_code_invalid'),
  failed('AUTH_CODE_INVALID', 'payment_code_invalid'),
  open('pay', 'USERPAYING', 'pending_payer'),
  open('pay', 'SYSTEMERROR', 'query_now'),
  open('pay', 'OUT_TRADE_NO_USED', 'query_now'),
  open('pay', 'ORDERPAID', 'query_now'),
  open('query', 'SYSTEMERROR', 'query_now'),
  { operation: 'query', code: 'ORDERNOTEXIST', httpStatus: 200, class: 'unknown', orderNotFound: true, source: SOURCE },
]);

/**
 * What a code proves in the answer that carried it; unlisted is unknown.
 *
 * @param told.needQuery `need_query` as it stands in the answer: a definite failure needs `N`.
 */
export const classify = (told: {
  readonly operation: QraOperation;
  readonly code: string;
  readonly needQuery: string;
  readonly trust: AnswerTrust;
}): CodeMeaning => {
  const meaning = meaningOf(codeTable, told.operation, told.code, told.trust);
  if (meaning.failure === undefined || told.needQuery === 'N') return meaning;
  return { ...meaning, class: 'query_now', failure: undefined };
};
