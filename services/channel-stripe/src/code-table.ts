import {
  type AnswerTrust,
  type CodeClass,
  type CodeMeaning,
  type CodeRow,
  type CodeTable,
  createCodeTable,
  meaningOf,
} from '@tillmesh/channel-kit';
import type { DeclineReason } from '@tillmesh/domain';

/** What Stripe is asked: create and confirm an intent, look at one, cancel one; refund, look at refunds. */
export type StripeOperation = 'create' | 'query' | 'cancel' | 'refund' | 'query_refund';

const CODES = 'docs.stripe.com/error-codes; github stripe/stripe-node 23.1.0, PaymentIntent.LastPaymentError.Code';
const KEYS = 'docs.stripe.com/api/idempotent_requests';
const RATES = 'docs.stripe.com/rate-limits; github stripe/stripe-ruby #841: a 429 with lock_timeout';
const STATUSES = 'docs.stripe.com/api/errors';

type Definite = readonly [code: string, reason: DeclineReason, configAlarm?: 'alarm'];

// Refused with 400 while the parameters were read: no intent and no refund was made, says KEYS ("no API endpoint begins
// execution"). An error that names an intent is never read by these rows, whatever its code is.
const REQUEST_REFUSED: readonly Definite[] = [
  ['parameter_missing', 'other'],
  ['parameter_unknown', 'other'],
  ['parameter_invalid_empty', 'other'],
  ['parameter_invalid_integer', 'other'],
  ['parameter_invalid_string_blank', 'other'],
  ['parameter_invalid_string_empty', 'other'],
  ['parameters_exclusive', 'other'],
];
const CREATE_REFUSED: readonly Definite[] = [
  ['amount_too_small', 'account_refused'],
  ['amount_too_large', 'account_refused'],
  ['country_unsupported', 'account_refused'],
  ['payment_method_unactivated', 'account_refused', 'alarm'],
  ['testmode_charges_only', 'account_refused', 'alarm'],
  ['livemode_mismatch', 'account_refused', 'alarm'],
];
// Refused with 401, before anything was read. Without a code the type stands for it.
const KEY_REFUSED: readonly Definite[] = [
  ['invalid_request_error', 'account_refused', 'alarm'],
  ['api_key_expired', 'account_refused', 'alarm'],
  ['platform_api_key_expired', 'account_refused', 'alarm'],
];
// docs.stripe.com/disputes: money that the payer's bank has taken back cannot go back again.
const REFUND_REFUSED: readonly Definite[] = [
  ['charge_disputed', 'other'],
  ['refund_disputed_payment', 'other'],
];

const definite = (
  operation: StripeOperation,
  httpStatus: number,
  rows: readonly Definite[],
): CodeRow<StripeOperation>[] =>
  rows.map(([code, declineReason, alarm]) => ({
    operation,
    code,
    httpStatus,
    class: 'failed_definite',
    declineReason,
    configAlarm: alarm === 'alarm',
    source: httpStatus === 401 ? STATUSES : CODES,
  }));

const open = (
  operation: StripeOperation,
  code: string,
  httpStatus: number,
  openClass: Exclude<CodeClass, 'failed_definite'>,
  source: string,
): CodeRow<StripeOperation> => ({ operation, code, httpStatus, class: openClass, source });

// What says that something else is at it, or that it is too much: proves nothing, ask.
const common = (operation: StripeOperation): CodeRow<StripeOperation>[] => [
  open(operation, 'rate_limit', 429, 'unknown', RATES),
  open(operation, 'lock_timeout', 429, 'query_now', RATES),
  open(operation, 'api_error', 500, 'query_now', STATUSES),
];
const posted = (operation: StripeOperation): CodeRow<StripeOperation>[] => [
  ...common(operation),
  open(operation, 'idempotency_key_in_use', 409, 'query_now', KEYS),
  // Another request came under this key: it speaks of the first one.
  open(operation, 'idempotency_error', 400, 'query_now', KEYS),
];
const asked = (operation: StripeOperation): CodeRow<StripeOperation>[] => [
  ...common(operation),
  ...KEY_REFUSED.map(([code]) => open(operation, code, 401, 'config_alarm', STATUSES)),
];

/**
 * Codes of a card's bank, 402: this card failed, and the intent stays open for another one. So they are no definite failure by
 * themselves; the adapter cancels the intent, and what cancelled it proves it. By decline_code, then by code.
 */
const DECLINES: readonly (readonly [code: string, reason: DeclineReason])[] = [
  ['card_declined', 'payer_refused'],
  ['expired_card', 'payer_refused'],
  ['incorrect_cvc', 'payer_refused'],
  ['incorrect_number', 'payer_refused'],
  ['incorrect_zip', 'payer_refused'],
  ['invalid_cvc', 'payer_refused'],
  ['invalid_expiry_month', 'payer_refused'],
  ['invalid_expiry_year', 'payer_refused'],
  ['invalid_number', 'payer_refused'],
  ['authentication_required', 'payer_refused'],
  ['card_decline_rate_limit_exceeded', 'payer_refused'],
  ['payment_intent_authentication_failure', 'payer_refused'],
  ['payment_method_customer_decline', 'payer_refused'],
  ['payment_method_provider_decline', 'payer_refused'],
  ['processing_error', 'other'],
];
// docs.stripe.com/declines/codes: what the bank says, for those that name a reason of ours.
const REASON_OF_BANK: ReadonlyMap<string, DeclineReason> = new Map([
  ['insufficient_funds', 'insufficient_funds'],
  ['card_velocity_exceeded', 'insufficient_funds'],
  ['withdrawal_count_limit_exceeded', 'insufficient_funds'],
]);

/** Why a bank declined, in our words; undefined for a code that is not a bank's or that nobody listed. */
export const declineReasonOf = (code: string, declineCode: string): DeclineReason | undefined => {
  const reason = DECLINES.find(([listed]) => listed === code)?.[1];
  return reason === undefined ? undefined : (REASON_OF_BANK.get(declineCode) ?? reason);
};

/** Stripe. */
export const stripeCodes: CodeTable<StripeOperation> = createCodeTable('stripe', [
  ...posted('create'),
  ...definite('create', 400, [...REQUEST_REFUSED, ...CREATE_REFUSED]),
  ...definite('create', 401, KEY_REFUSED),
  ...DECLINES.map(([code]) => open('create', code, 402, 'unknown', 'docs.stripe.com/declines/codes')),

  ...asked('query'),
  // Only where an intent is asked for by Stripe's own id: then it has been there, and something is wrong.
  open('query', 'resource_missing', 404, 'unknown', CODES),

  ...posted('cancel'),
  ...KEY_REFUSED.map(([code]) => open('cancel', code, 401, 'config_alarm', STATUSES)),
  open('cancel', 'payment_intent_unexpected_state', 400, 'query_now', CODES),

  ...posted('refund'),
  ...definite('refund', 400, [...REQUEST_REFUSED, ...REFUND_REFUSED]),
  ...definite('refund', 401, KEY_REFUSED),
  // By this refund, or by another one: the list of refunds tells.
  open('refund', 'charge_already_refunded', 400, 'query_now', CODES),

  ...asked('query_refund'),
]);

/**
 * What an error of Stripe proves.
 *
 * @param question.code the error's code; where it has none, its type stands for it.
 */
export const classify = (question: {
  readonly operation: StripeOperation;
  readonly type: string;
  readonly code: string;
  readonly trust: AnswerTrust;
}): CodeMeaning => {
  const { operation, type, code, trust } = question;
  // Older notes name 409 for a lock time-out, newer ones 429; it proves as little with either.
  const isLock = code === 'lock_timeout' && trust.httpStatus === 409;
  return meaningOf(stripeCodes, operation, code === '' ? type : code, isLock ? { ...trust, httpStatus: 429 } : trust);
};
