import { type AnswerTrust, type CodeMeaning, type CodeTable, createCodeTable, meaningOf } from '@tillmesh/channel-kit';

/** What Sample Pay is asked. */
export type SampleOperation = 'pay' | 'query';

// Only what the channel's documents call final stands here as definite; every other code is unknown, and a query decides.
// `source` says where a row comes from: a document with its section, or a letter.
const SOURCE = 'the documents of Sample Pay, section 4';

export const codeTable: CodeTable<SampleOperation> = createCodeTable('sample', [
  {
    operation: 'pay',
    code: 'NOT_ENOUGH_MONEY',
    httpStatus: 402,
    class: 'failed_definite',
    declineReason: 'insufficient_funds',
    source: SOURCE,
  },
  {
    operation: 'pay',
    code: 'CODE_EXPIRED',
    httpStatus: 402,
    class: 'failed_definite',
    declineReason: 'payment_code_invalid',
    source: SOURCE,
  },
  { operation: 'pay', code: 'PAYER_TYPES', httpStatus: 202, class: 'pending_payer', source: SOURCE },
  { operation: 'pay', code: 'ORDER_EXISTS', httpStatus: 409, class: 'query_now', source: SOURCE },
  { operation: 'pay', code: 'MERCHANT_CLOSED', httpStatus: 403, class: 'config_alarm', source: SOURCE },
  { operation: 'query', code: 'PAYER_TYPES', httpStatus: 200, class: 'pending_payer', source: SOURCE },
  { operation: 'query', code: 'ORDER_UNKNOWN', httpStatus: 404, class: 'unknown', orderNotFound: true, source: SOURCE },
  { operation: 'query', code: 'MERCHANT_CLOSED', httpStatus: 403, class: 'config_alarm', source: SOURCE },
]);

/** What a code proves in the answer that carried it; unlisted is unknown. */
export const classify = (told: {
  readonly operation: SampleOperation;
  readonly code: string;
  readonly trust: AnswerTrust;
}): CodeMeaning => meaningOf(codeTable, told.operation, told.code, told.trust);
