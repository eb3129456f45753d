import { assert, type DeclineReason, type DefiniteEvidence, type SignatureState } from '@tillmesh/domain';

/**
 * What a channel's code means for the order that the call was about.
 * - `failed_definite`: no money moved, and none can any more under this order number from this request.
 * - `pending_payer`: the payer is typing or has not scanned yet.
 * - `processing`: the channel has it and works on it.
 * - `query_now`: speaks of an earlier or unknown state of the same order; ask at once.
 * - `config_alarm`: speaks of our configuration; the account leaves routing, the order stays open.
 * - `unknown`: proves nothing.
 */
export type CodeClass = 'failed_definite' | 'pending_payer' | 'processing' | 'query_now' | 'config_alarm' | 'unknown';

/** One code of one operation. */
export type CodeRow<Operation extends string> = {
  readonly operation: Operation;
  readonly code: string;
  /** Other spellings of the same code. */
  readonly aliases?: readonly string[];
  /** The HTTP status that the channel documents for it. */
  readonly httpStatus: number;
  /** True where a verified answer with it says that the channel has no such order. */
  readonly orderNotFound?: boolean;
  /** Where the row comes from. */
  readonly source: string;
} & (
  | {
      readonly class: 'failed_definite';
      readonly declineReason: DeclineReason;
      /** True where the failure speaks of our configuration besides. */
      readonly configAlarm?: boolean;
    }
  | { readonly class: Exclude<CodeClass, 'failed_definite'> }
);

/** The whitelist of one API: whatever is not in it is unknown. */
export type CodeTable<Operation extends string> = {
  readonly rows: readonly CodeRow<Operation>[];
  /** The row, or undefined for anything that nobody listed. */
  readonly find: (operation: Operation, code: string) => CodeRow<Operation> | undefined;
  /** A row's name, such as `wechat-v2.pay.NOTENOUGH`. */
  readonly ruleIdOf: (row: CodeRow<Operation>) => string;
};

/** @param api the prefix of rule ids, such as `wechat-v2`. */
export const createCodeTable = <Operation extends string>(
  api: string,
  rows: readonly CodeRow<Operation>[],
): CodeTable<Operation> => {
  const byName = new Map<string, CodeRow<Operation>>();
  for (const row of rows) {
    for (const code of [row.code, ...(row.aliases ?? [])]) {
      const name = `${row.operation} ${code}`;
      assert(!byName.has(name), `${api} has two rows for ${name}`);
      byName.set(name, row);
    }
  }
  return {
    rows,
    find: (operation, code) => byName.get(`${operation} ${code}`),
    ruleIdOf: (row) => `${api}.${row.operation}.${row.code}`,
  };
};

/** How far an answer is to be believed. */
export type AnswerTrust = {
  readonly httpStatus: number;
  readonly signature: SignatureState;
  /** Whether an answer of this kind may count without a signature; see unsignedIsCredible. */
  readonly unsignedCredible: boolean;
  /** True where the channel signs no answers at all, and this one is credible without: then it says all that a verified one says. */
  readonly vouched?: boolean;
};

/**
 * Whether an error answer without a signature may count at all. Channels do not promise to sign their error answers, and the
 * codes of definite failures stand exactly there; so the connection has to vouch for the answer. Over plain HTTP nothing does.
 */
export const unsignedIsCredible = (facts: {
  /** TLS with a verified certificate. */
  readonly secure: boolean;
  /** The account's switch: nothing unsigned counts. */
  readonly strictSignatures: boolean;
  /** The Content-Type is the API's own. */
  readonly contentTypeExpected: boolean;
  /** The channel's id of the request stands in the answer's head. */
  readonly hasRequestId: boolean;
}): boolean => facts.secure && !facts.strictSignatures && facts.contentTypeExpected && facts.hasRequestId;

/** What a code proves in the answer that carried it. */
export type CodeMeaning = {
  readonly class: CodeClass;
  /** The row; empty where none applies. */
  readonly ruleId: string;
  /** Set for failed_definite alone. */
  readonly failure: { readonly evidence: DefiniteEvidence; readonly reason: DeclineReason } | undefined;
  readonly configAlarm: boolean;
  readonly orderNotFound: boolean;
};

const NOTHING: CodeMeaning = {
  class: 'unknown',
  ruleId: '',
  failure: undefined,
  configAlarm: false,
  orderNotFound: false,
};

const sameHundred = (a: number, b: number): boolean => Math.trunc(a / 100) === Math.trunc(b / 100);

/**
 * Reads a code in the light of its answer. Definite are only listed rows in an answer that is verified, or unsigned and
 * credible with exactly the documented status. HTTP 5xx and 429 are never definite.
 */
export const meaningOf = <Operation extends string>(
  table: CodeTable<Operation>,
  operation: Operation,
  code: string,
  trust: AnswerTrust,
): CodeMeaning => {
  const row = table.find(operation, code);
  const { httpStatus, signature } = trust;
  if (row === undefined || signature === 'invalid') return NOTHING;
  if (signature === 'absent' && !(trust.unsignedCredible && httpStatus === row.httpStatus)) return NOTHING;
  const ruleId = table.ruleIdOf(row);
  const orderNotFound = row.orderNotFound === true && (signature === 'verified' || trust.vouched === true);
  if (row.class !== 'failed_definite') {
    return { class: row.class, ruleId, failure: undefined, configAlarm: row.class === 'config_alarm', orderNotFound };
  }
  if (httpStatus >= 500 || httpStatus === 429 || !sameHundred(httpStatus, row.httpStatus)) return NOTHING;
  return {
    class: 'failed_definite',
    ruleId,
    failure: { evidence: { transport: 'answered', signature, ruleId }, reason: row.declineReason },
    configAlarm: row.configAlarm === true,
    orderNotFound,
  };
};
