import {
  type AnswerTrust,
  type CallFacts,
  type ChannelCall,
  factsOf,
  headerOf,
  type JsonObject,
  parseJsonObject,
  unsignedIsCredible,
  utf8TextOf,
} from '@tillmesh/channel-kit';
import type { SampleAccount } from './config.ts';
import { sign, verify } from './signature.ts';

/** A call to Sample Pay in the name of an account. */
export type SampleCall = ChannelCall<SampleAccount>;

/** An answer; its content is undefined where it cannot be read. */
export type Answer = {
  readonly kind: 'answered';
  readonly facts: CallFacts;
  readonly trust: AnswerTrust;
  readonly content: JsonObject | undefined;
};

/** What came back: nothing, or an answer. */
export type Answered = { readonly kind: 'unanswered'; readonly facts: CallFacts; readonly cause: string } | Answer;

/**
 * Calls Sample Pay once: signed over exactly the bytes that are sent, and the answer verified over exactly those that came.
 *
 * @param options.pathTemplate the path with `{names}` in the place of numbers, for metrics.
 * @param options.content for POST.
 * @param options.repeatable whether the same bytes may go to another domain after a lost answer.
 */
export const callSample = async (
  call: SampleCall,
  options: {
    readonly method: 'GET' | 'POST';
    readonly path: string;
    readonly pathTemplate: string;
    readonly content?: JsonObject;
    readonly repeatable: boolean;
  },
): Promise<Answered> => {
  const { account, http, clock, signal } = call;
  const { method, content } = options;
  const [baseUrl = ''] = account.baseUrls;
  const { pathname } = new URL(baseUrl);
  const path = `${pathname === '/' ? '' : pathname}${options.path}`;
  const body = content === undefined ? '' : JSON.stringify(content);
  const timestamp = String(Math.floor(clock.nowMs() / 1_000));
  const key = account.keyFile.reveal();
  const signature = sign({ method, path, timestamp, body }, key);
  const exchange = await http.send({
    baseUrl,
    method,
    path,
    pathTemplate: options.pathTemplate,
    headers: {
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'tillmesh-channel-sample/1',
      'sample-timestamp': timestamp,
      'sample-signature': signature,
      ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
    },
    ...(method === 'POST' ? { body: Buffer.from(body, 'utf8') } : {}),
    repeatable: options.repeatable,
    signal,
  });
  if (exchange.kind !== 'answered') {
    return { kind: 'unanswered', facts: factsOf(exchange, undefined), cause: exchange.cause };
  }
  const text = utf8TextOf(exchange.body) ?? '';
  const answer = { status: exchange.status, body: text, signature: headerOf(exchange.headers, 'sample-signature') };
  const state = verify(answer, signature, key);
  const trust: AnswerTrust = {
    httpStatus: exchange.status,
    signature: state,
    unsignedCredible: unsignedIsCredible({
      secure: exchange.secure,
      strictSignatures: account.strictSignatures,
      contentTypeExpected: /^application\/json\b/i.test(headerOf(exchange.headers, 'content-type')),
      hasRequestId: headerOf(exchange.headers, 'sample-request-id') !== '',
    }),
  };
  return { kind: 'answered', facts: factsOf(exchange, state), trust, content: parseJsonObject(text) };
};
