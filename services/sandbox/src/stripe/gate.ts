import { timingSafeEqual } from 'node:crypto';
import type { HttpRequest } from '../http-server.ts';
import type { StripeAccount } from './account.ts';
import { refusal, type StripeAnswer } from './answer.ts';
import { type Params, parseParams } from './form.ts';

export type StripeRequest = {
  readonly account: StripeAccount;
  readonly params: Params;
  readonly idempotencyKey: string | undefined;
};

export type StripeGateResult =
  | { readonly kind: 'passed'; readonly request: StripeRequest }
  | { readonly kind: 'refused'; readonly reason: string; readonly isAboutKey: boolean; readonly answer: StripeAnswer };

const IDEMPOTENCY_KEY = /^[!-~]{1,255}$/;

/** The key of `Bearer sk_…`, or of Basic authentication with the key as user name. */
const keyOf = (authorization: string): string => {
  const [, scheme = '', credentials = ''] = /^(\w+) +(\S+)$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return credentials;
  return scheme.toLowerCase() === 'basic'
    ? (Buffer.from(credentials, 'base64').toString('latin1').split(':')[0] ?? '')
    : '';
};

const isSame = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'));

/** Proves who sent a request and reads its parameters. */
export const createStripeGate = (accounts: readonly StripeAccount[]): ((request: HttpRequest) => StripeGateResult) => {
  const refused = (reason: string, isAboutKey: boolean, answer: StripeAnswer): StripeGateResult => ({
    kind: 'refused',
    reason,
    isAboutKey,
    answer,
  });
  return ({ method, query, headers, body }) => {
    const key = keyOf(headers.authorization ?? '');
    const account = accounts.find(({ secretKey }) => isSame(secretKey, key));
    if (account === undefined) {
      const why = key === '' ? 'You did not provide an API key.' : 'Invalid API Key provided: sk_test_****';
      return refused(key === '' ? 'no_key' : 'wrong_key', true, refusal(401, 'invalid_request_error', why));
    }
    const sent = headers['idempotency-key'];
    const idempotencyKey = typeof sent === 'string' && method === 'POST' ? sent : undefined;
    if (idempotencyKey !== undefined && !IDEMPOTENCY_KEY.test(idempotencyKey)) {
      const answer = refusal(400, 'invalid_request_error', 'An Idempotency-Key has 1 to 255 characters.');
      return refused('idempotency_key', false, answer);
    }
    const isForm = /^application\/x-www-form-urlencoded\b/i.test(headers['content-type'] ?? '');
    const params =
      method === 'POST' && body.length > 0 && !isForm
        ? undefined
        : parseParams(method === 'POST' ? body.toString('utf8') : query.toString());
    if (params === undefined) {
      return refused('form', false, refusal(400, 'invalid_request_error', 'The parameters cannot be read.'));
    }
    return { kind: 'passed', request: { account, params, idempotencyKey } };
  };
};
