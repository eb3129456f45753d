import {
  type Authenticity,
  assertNever,
  type ChannelTransactionId,
  definiteFailure,
  equalMoney,
  isAuthentic,
  type Money,
  type Outcome,
  type SignatureState,
  unknownOutcome,
} from '@tillmesh/domain';
import type { AttemptReport, CallFacts, OrderRef } from './channel.ts';
import type { CodeMeaning } from './code-table.ts';
import type { HttpExchange } from './http-exchange.ts';

/** What is known of an exchange, for a report. */
export const factsOf = (exchange: HttpExchange, signature: SignatureState | undefined): CallFacts => ({
  transport: exchange.kind,
  signature,
  host: exchange.host,
  sends: exchange.sends,
  httpStatus: exchange.kind === 'answered' ? exchange.status : 0,
});

/** How far the answer behind these facts is authentic; undefined without one. */
export const authenticityOf = ({ signature, vouched }: CallFacts): Authenticity | undefined =>
  signature === 'absent' && vouched === true ? 'vouched' : signature;

/** The facts of a call that never became an exchange. */
export const nothingSent: CallFacts = {
  transport: 'not_sent',
  signature: undefined,
  host: '',
  sends: 0,
  httpStatus: 0,
};

type Details = Partial<Omit<AttemptReport, 'outcome' | 'facts'>>;

/** A report; what is left out is empty. */
export const attemptReport = (facts: CallFacts, outcome: Outcome, details: Details = {}): AttemptReport => ({
  outcome,
  facts,
  ruleId: '',
  channelCode: '',
  channelSubCode: '',
  channelMessage: '',
  channelState: '',
  channelTransactionId: '',
  action: undefined,
  queryNow: false,
  configAlarm: false,
  orderNotFound: false,
  details: undefined,
  ...details,
});

/**
 * The report of a call that started an attempt and got no answer. Only here does `not_sent` say something of the money: no
 * request, no payment. A query that was not sent says nothing of the payment it asked about.
 */
export const unansweredPayment = (facts: CallFacts, cause: string): AttemptReport =>
  attemptReport(
    facts,
    facts.transport === 'not_sent'
      ? definiteFailure({ transport: 'not_sent' }, 'channel_unreachable')
      : unknownOutcome(cause),
    { channelMessage: cause },
  );

/** The report of any other call without an answer. */
export const unanswered = (facts: CallFacts, cause: string): AttemptReport =>
  attemptReport(facts, unknownOutcome(cause), { channelMessage: cause });

/** The outcome that a code proves. */
const outcomeOfMeaning = (meaning: CodeMeaning, cause: string): Outcome => {
  if (meaning.failure !== undefined) return definiteFailure(meaning.failure.evidence, meaning.failure.reason);
  switch (meaning.class) {
    case 'pending_payer':
    case 'processing':
      return { kind: meaning.class };
    case 'failed_definite':
    case 'query_now':
    case 'config_alarm':
    case 'unknown':
      return unknownOutcome(cause);
    default:
      return assertNever(meaning.class);
  }
};

/** The report of an answer that carried a code. */
export const codeReport = (
  facts: CallFacts,
  meaning: CodeMeaning,
  told: { readonly code: string; readonly subCode?: string; readonly message: string; readonly state?: string },
): AttemptReport =>
  attemptReport(facts, outcomeOfMeaning(meaning, `${told.code} ${told.subCode ?? ''}`.trim() || 'a code of blanks'), {
    ruleId: meaning.ruleId,
    channelCode: told.code,
    channelSubCode: told.subCode ?? '',
    channelMessage: told.message,
    channelState: told.state ?? '',
    queryNow: meaning.class === 'query_now',
    configAlarm: meaning.configAlarm,
    orderNotFound: meaning.orderNotFound,
  });

/** What an answer or a notification says of a payment that it calls successful. */
export type ToldSuccess = {
  readonly channelOrderNo: string | undefined;
  readonly paid: Money | undefined;
  readonly channelTransactionId: string | undefined;
  readonly paidAtMs: number | undefined;
  /** True where every merchant and application id in it is the account's, and those that must stand in it do. */
  readonly isOurs: boolean;
};

const CHANNEL_ORDER_NO = /^[0-9A-Za-z]{8,32}$/;
const TRANSACTION_ID = /^[!-~]{1,64}$/;

/**
 * Success, or why it is none: the answer must be authentic, and merchant, order, amount and currency must be equal.
 *
 * @param expected the order that was asked about; undefined for a notification, whose amount is checked by whoever applies it.
 */
export const outcomeOfSuccess = (
  told: ToldSuccess,
  expected: Pick<OrderRef, 'channelOrderNo' | 'amount'> | undefined,
  authenticity: Authenticity,
): Outcome => {
  const { channelOrderNo, paid, channelTransactionId, paidAtMs } = told;
  if (!isAuthentic(authenticity)) return unknownOutcome(`a success with a signature that is ${authenticity}`);
  if (!told.isOurs) return unknownOutcome('a success of another merchant or application');
  if (channelOrderNo === undefined || !CHANNEL_ORDER_NO.test(channelOrderNo)) {
    return unknownOutcome('a success without a readable order number');
  }
  if (expected !== undefined && channelOrderNo !== expected.channelOrderNo) {
    return unknownOutcome('a success of another order');
  }
  if (paid === undefined) return unknownOutcome('a success without a readable amount');
  if (expected !== undefined && !equalMoney(paid, expected.amount)) {
    return unknownOutcome(`a success over ${paid.minorUnits} ${paid.currency}, another amount than was asked`);
  }
  if (channelTransactionId === undefined || !TRANSACTION_ID.test(channelTransactionId)) {
    return unknownOutcome('a success without a readable transaction number');
  }
  if (paidAtMs === undefined) return unknownOutcome('a success without a readable time');
  return {
    kind: 'succeeded',
    paid,
    channelTransactionId: channelTransactionId as ChannelTransactionId,
    paidAtMs,
  };
};

/** A definite failure that a state of the order proves, where the answer is authentic; unknown otherwise. */
export const outcomeOfEnd = (
  end: { readonly ruleId: string; readonly closed: boolean },
  told: { readonly isOurs: boolean },
  authenticity: Authenticity,
): Outcome => {
  if (!isAuthentic(authenticity)) return unknownOutcome(`an end with a signature that is ${authenticity}`);
  if (!told.isOurs) return unknownOutcome('an end of another order, merchant or application');
  return definiteFailure(
    { transport: 'answered', signature: authenticity === 'verified' ? 'verified' : 'absent', ruleId: end.ruleId },
    end.closed ? 'payer_cancelled' : 'other',
    {
      closed: end.closed,
    },
  );
};
