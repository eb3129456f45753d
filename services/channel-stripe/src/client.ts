import {
  type AnswerTrust,
  type CallFacts,
  type ChannelCall,
  factsOf,
  headerOf,
  type JsonObject,
  objectAt,
  parseJsonObject,
  textAt,
  unsignedIsCredible,
  utf8TextOf,
} from '@tillmesh/channel-kit';
import type { StripeAccount } from './config.ts';
import { encodeForm, type Params } from './form.ts';

/** A call to Stripe in the name of an account. */
export type StripeCall = ChannelCall<StripeAccount>;

/** An answer; its content is undefined where it cannot be read. */
export type Answer = {
  readonly kind: 'answered';
  readonly facts: CallFacts;
  readonly trust: AnswerTrust;
  readonly content: JsonObject | undefined;
  /** The first answer under this Idempotency-Key, given again: it speaks of the state of then. */
  readonly replayed: boolean;
};

/** What came back: nothing, or an answer. */
export type Answered = { readonly kind: 'unanswered'; readonly facts: CallFacts; readonly cause: string } | Answer;

/** The API version that requests ask for and that this adapter reads, whatever the account's default is. */
export const API_VERSION = '2026-10-28.endive';
const USER_AGENT = 'tillmesh-channel-stripe/1';

/**
 * Calls Stripe once. Stripe signs no answers: what vouches for one is a verified TLS peer, JSON and Stripe's id of the request;
 * and nothing does where the account is strict.
 *
 * @param options.idempotencyKey for POST: the same key with the same parameters is carried out once, and heard again after that.
 */
export const callStripe = async (
  call: StripeCall,
  options: {
    readonly path: string;
    /** The path with `{names}` in the place of ids. */
    readonly pathTemplate: string;
    readonly params: Params;
  } & ({ readonly method: 'GET' } | { readonly method: 'POST'; readonly idempotencyKey: string }),
): Promise<Answered> => {
  const { account, http, signal } = call;
  const [baseUrl = ''] = account.baseUrls;
  const { pathname } = new URL(baseUrl);
  const pathPrefix = pathname === '/' ? '' : pathname;
  const form = encodeForm(options.params);
  const query = options.method === 'GET' && form !== '' ? `?${form}` : '';
  const exchange = await http.send({
    baseUrl,
    method: options.method,
    path: `${pathPrefix}${options.path}${query}`,
    pathTemplate: options.pathTemplate,
    headers: {
      authorization: `Bearer ${account.secretKeyFile.reveal()}`,
      accept: 'application/json',
      'accept-encoding': 'identity',
      'stripe-version': API_VERSION,
      'user-agent': USER_AGENT,
      ...(options.method === 'POST'
        ? { 'content-type': 'application/x-www-form-urlencoded', 'idempotency-key': options.idempotencyKey }
        : {}),
    },
    ...(options.method === 'POST' ? { body: Buffer.from(form, 'utf8') } : {}),
    // Under an Idempotency-Key the same bytes are carried out once, whichever address they come by.
    repeatable: true,
    signal,
  });
  if (exchange.kind !== 'answered') {
    return { kind: 'unanswered', facts: factsOf(exchange, undefined), cause: exchange.cause };
  }
  const content = parseJsonObject(utf8TextOf(exchange.body) ?? '');
  const vouched = unsignedIsCredible({
    secure: exchange.secure,
    strictSignatures: account.strictSignatures,
    contentTypeExpected:
      content !== undefined && /^application\/json\b/i.test(headerOf(exchange.headers, 'content-type')),
    hasRequestId: /^req_[0-9A-Za-z]{1,64}$/.test(headerOf(exchange.headers, 'request-id')),
  });
  return {
    kind: 'answered',
    facts: { ...factsOf(exchange, 'absent'), vouched },
    trust: { httpStatus: exchange.status, signature: 'absent', unsignedCredible: vouched, vouched },
    content,
    replayed: headerOf(exchange.headers, 'idempotent-replayed') === 'true',
  };
};

/** True where an answer is a success that may be believed. */
export const isVouchedSuccess = (answer: Answer): answer is Answer & { readonly content: JsonObject } =>
  answer.facts.httpStatus === 200 && answer.trust.vouched === true && answer.content !== undefined;

/** What an error object says. */
export type ToldError = {
  readonly type: string;
  readonly code: string;
  readonly declineCode: string;
  readonly message: string;
  /** The intent that the error leaves behind. */
  readonly intent: JsonObject | undefined;
};

/** The error object of an answer; undefined where there is none, or one that does not say what it is. */
export const errorIn = ({ content }: Pick<Answer, 'content'>): ToldError | undefined => {
  const error = objectAt(content, 'error');
  const isNamed = (textAt(error, 'type') ?? '') !== '' || (textAt(error, 'code') ?? '') !== '';
  return error === undefined || !isNamed
    ? undefined
    : {
        type: textAt(error, 'type') ?? '',
        code: textAt(error, 'code') ?? '',
        declineCode: textAt(error, 'decline_code') ?? '',
        message: textAt(error, 'message') ?? '',
        intent: objectAt(error, 'payment_intent'),
      };
};
