import type { Random } from '@tillmesh/clock';
import { type Alteration, alterFields } from '../alter-answer.ts';
import type { HttpAnswer } from '../http-server.ts';
import type { SignatureMode } from '../script.ts';

export type StripeAnswer = {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** The first answer under this Idempotency-Key, given again. */
  readonly replayed?: boolean;
};

export const ok = (body: Readonly<Record<string, unknown>>): StripeAnswer => ({ status: 200, body });

type ErrorFields = {
  readonly code?: string;
  readonly decline_code?: string;
  readonly param?: string;
  readonly payment_intent?: object;
};

export const refusal = (status: number, type: string, message: string, fields: ErrorFields = {}): StripeAnswer => ({
  status,
  body: { error: { type, message, ...fields } },
});

/** A request with a parameter that is missing or wrong: nothing has been looked at, nothing is kept. */
export const badParameter = (code: string, param: string): StripeAnswer =>
  refusal(400, 'invalid_request_error', `Invalid or missing parameter: ${param}`, { code, param });

export const noSuch = (what: string, id: string): StripeAnswer =>
  refusal(404, 'invalid_request_error', `No such ${what}: '${id}'`, { code: 'resource_missing', param: 'id' });

// docs.stripe.com/declines/codes: what a bank says, which comes as decline_code beside the code card_declined.
const DECLINES: ReadonlySet<string> = new Set([
  'do_not_honor',
  'expired_card',
  'fraudulent',
  'generic_decline',
  'insufficient_funds',
  'lost_card',
  'stolen_card',
]);

/** Whether a code is a bank's word and not one of Stripe's API. */
export const isDecline = (code: string): boolean => DECLINES.has(code);

// docs.stripe.com/error-codes and docs.stripe.com/rate-limits.
const STATUS_OF_CODE: Readonly<Record<string, readonly [status: number, type: string]>> = {
  api_error: [500, 'api_error'],
  SYSTEM_ERROR: [500, 'api_error'],
  idempotency_key_in_use: [409, 'idempotency_error'],
  lock_timeout: [429, 'invalid_request_error'],
  rate_limit: [429, 'invalid_request_error'],
  resource_missing: [404, 'invalid_request_error'],
  api_key_expired: [401, 'invalid_request_error'],
};

/** A refusal by its code alone. */
export const failure = (code: string): StripeAnswer => {
  if (isDecline(code)) return cardDeclined(code);
  const [status, type] = STATUS_OF_CODE[code] ?? [400, 'invalid_request_error'];
  return refusal(status, type, `Simulated: ${code}`, code === 'api_error' || code === 'SYSTEM_ERROR' ? {} : { code });
};

/** The bank said no. */
export const cardDeclined = (declineCode: string, intent?: object): StripeAnswer => {
  // An expired card has a code of its own; the others share one.
  const code = declineCode === 'expired_card' ? declineCode : 'card_declined';
  return refusal(402, 'card_error', 'Your card was declined.', {
    code,
    decline_code: declineCode,
    ...(intent === undefined ? {} : { payment_intent: intent }),
  });
};

/** One object, or each of a list. */
export const alterStripe = (answer: StripeAnswer, alteration: Alteration): StripeAnswer => {
  const alter = (body: StripeAnswer['body']) => alterFields(body, alteration, ['status'], 'object');
  const data = answer.body['data'];
  return { ...answer, body: { ...alter(answer.body), ...(Array.isArray(data) ? { data: data.map(alter) } : {}) } };
};

const codeIn = ({ body }: StripeAnswer): string | undefined =>
  (body['error'] as { readonly code?: string } | undefined)?.code;

/**
 * Writes an answer. Stripe signs none, so what can be wrong with one is what else shows where it comes from: `none` leaves the
 * Request-Id out, `wrong` calls the content something else.
 */
export const renderStripe = (
  answer: StripeAnswer,
  mode: SignatureMode,
  by: { readonly random: Random; readonly version: string; readonly idempotencyKey: string | undefined },
): HttpAnswer => ({
  kind: 'answer',
  status: answer.status,
  headers: {
    'content-type': mode === 'wrong' ? 'text/plain' : 'application/json',
    ...(mode === 'none' ? {} : { 'request-id': `req_${by.random.hex(7)}` }),
    'stripe-version': by.version,
    ...(by.idempotencyKey === undefined ? {} : { 'idempotency-key': by.idempotencyKey }),
    ...(answer.replayed === true ? { 'idempotent-replayed': 'true' } : {}),
    // docs.stripe.com/rate-limits: which of the limits it was.
    ...(codeIn(answer) === 'rate_limit' ? { 'stripe-rate-limited-reason': 'global-rate' } : {}),
    ...(answer.status === 409 || answer.status === 429 ? { 'stripe-should-retry': 'true' } : {}),
  },
  body: Buffer.from(JSON.stringify(answer.body, undefined, 2)),
});
