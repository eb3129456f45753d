import type { ChannelTransactionId } from './ids.ts';
import type { Money } from './money.ts';

/** What is known of a request's way to the channel. */
export type Transport = 'not_sent' | 'maybe_sent' | 'answered';
/** What is known of an answer's signature; undefined without an answer. */
export type SignatureState = 'verified' | 'absent' | 'invalid';
/**
 * How far an answer is authentic. `vouched`: the channel signs no answers at all, and the connection vouches for this one (TLS,
 * content type and request id are right, and the account allows it). On the wire its signature is `absent`, as it is.
 */
export type Authenticity = SignatureState | 'vouched';

/** True where an answer's content may be believed. */
export const isAuthentic = (authenticity: Authenticity | undefined): boolean =>
  authenticity === 'verified' || authenticity === 'vouched';
/** Which way news came. */
export const LEARNED_BY = ['answer', 'notification', 'query', 'bill', 'person'] as const;
export type LearnedBy = (typeof LEARNED_BY)[number];

/** Why a payment was declined or failed, for the till to act on. */
export const DECLINE_REASONS = [
  'insufficient_funds',
  'payment_code_invalid',
  'payer_refused',
  'account_refused',
  'channel_unreachable',
  'payer_cancelled',
  'other',
] as const;
export type DeclineReason = (typeof DECLINE_REASONS)[number];

/**
 * What proves that no money moved under an attempt and none can any more.
 * - `not_sent`: no byte of the request reached the channel.
 * - `answered`: an answer with a code on the channel's whitelist for this operation (`ruleId` is that row), verified; or
 *   without a signature, where the adapter has checked TLS, status, content type and request id and the account allows it.
 */
export type DefiniteEvidence =
  | { readonly transport: 'not_sent' }
  | { readonly transport: 'answered'; readonly signature: 'verified' | 'absent'; readonly ruleId: string };

declare const rerouteToken: unique symbol;

/**
 * The right to try another account. Only definiteFailure() makes one, and only from evidence; the router demands one.
 * An unknown outcome has none, so rerouting it does not compile.
 */
export type RerouteToken = {
  readonly [rerouteToken]: true;
  /** True where the channel never saw the request: even a payment code is still unused. */
  readonly notSent: boolean;
};

export type Succeeded = {
  readonly kind: 'succeeded';
  readonly paid: Money;
  readonly channelTransactionId: ChannelTransactionId;
  /** When the channel says the money moved; ms since 1970. */
  readonly paidAtMs: number;
};
export type FailedDefinite = {
  readonly kind: 'failed_definite';
  readonly token: RerouteToken;
  readonly evidence: DefiniteEvidence;
  readonly reason: DeclineReason;
  /** True where the channel has closed the order, rather than refused it. */
  readonly closed: boolean;
};
export type PendingPayer = { readonly kind: 'pending_payer' };
export type Processing = { readonly kind: 'processing' };
export type Unknown = { readonly kind: 'unknown'; readonly cause: string };

/** What one call to a channel says of the money. */
export type Outcome = Succeeded | FailedDefinite | PendingPayer | Processing | Unknown;

/** A definite failure and with it the right to reroute. */
export const definiteFailure = (
  evidence: DefiniteEvidence,
  reason: DeclineReason,
  options: { readonly closed?: boolean } = {},
): FailedDefinite => ({
  kind: 'failed_definite',
  // The brand exists for the compiler only; this is the one place that may apply it.
  token: { notSent: evidence.transport === 'not_sent' } as RerouteToken,
  evidence,
  reason,
  closed: options.closed ?? false,
});

/** Anything that proves nothing. */
export const unknownOutcome = (cause: string): Unknown => ({ kind: 'unknown', cause });
