import {
  type AnswerTrust,
  type CallFacts,
  type ChannelCall,
  factsOf,
  headerOf,
  parseFlatXml,
  unsignedIsCredible,
  utf8TextOf,
  writeFlatXml,
  xmlSafe,
} from '@tillmesh/channel-kit';
import type { QraAccount } from './config.ts';
import { type QraFields, sign, verify } from './signature.ts';

/** A call to QRA in the name of an account. */
export type QraCall = ChannelCall<QraAccount>;

/** An answer; its fields are undefined where it cannot be read. */
export type Answer = {
  readonly kind: 'answered';
  readonly facts: CallFacts;
  readonly trust: AnswerTrust;
  readonly fields: QraFields | undefined;
};

/** What came back: nothing, or an answer. */
export type Answered = { readonly kind: 'unanswered'; readonly facts: CallFacts; readonly cause: string } | Answer;

/** Where a base address without a path leads. */
const GATEWAY_PATH = '/pay/gateway';
const NONCE_BYTES = 16;

/**
 * Calls a service of the gateway once: flat XML both ways, signed over the fields.
 *
 * @param options.fields what the service needs besides the common fields; empty ones are left out.
 * @param options.repeatable whether the same bytes may go to another domain after a lost answer.
 */
export const callGateway = async (
  call: QraCall,
  options: { readonly service: string; readonly fields: QraFields; readonly repeatable: boolean },
): Promise<Answered> => {
  const { account, http, random, signal } = call;
  const [baseUrl = ''] = account.baseUrls;
  const { pathname } = new URL(baseUrl);
  const path = pathname === '/' ? GATEWAY_PATH : pathname;
  const key = account.keyFile.reveal();
  const named = {
    service: options.service,
    version: '2.0',
    charset: 'UTF-8',
    sign_type: 'MD5',
    mch_id: account.mchId,
    nonce_str: random.hex(NONCE_BYTES),
    ...options.fields,
  };
  const fields = Object.fromEntries(
    Object.entries(named)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => [name, xmlSafe(value)]),
  );
  const exchange = await http.send({
    baseUrl,
    method: 'POST',
    path,
    pathTemplate: `${path}#${options.service}`,
    headers: {
      'content-type': 'text/xml; charset=utf-8',
      accept: 'text/xml',
      'accept-encoding': 'identity',
      'user-agent': 'tillmesh-channel-qra/1',
    },
    body: Buffer.from(writeFlatXml({ ...fields, sign: sign(fields, key) }), 'utf8'),
    repeatable: options.repeatable,
    signal,
  });
  if (exchange.kind !== 'answered') {
    return { kind: 'unanswered', facts: factsOf(exchange, undefined), cause: exchange.cause };
  }
  const read = parseFlatXml(utf8TextOf(exchange.body) ?? '');
  const answer = read === undefined ? undefined : Object.fromEntries(read);
  const state = answer === undefined ? 'absent' : verify(answer, key);
  const trust: AnswerTrust = {
    httpStatus: exchange.status,
    signature: state,
    unsignedCredible: unsignedIsCredible({
      secure: exchange.secure,
      strictSignatures: account.strictSignatures,
      contentTypeExpected: /^(?:text|application)\/xml\b/i.test(headerOf(exchange.headers, 'content-type')),
      // The gateway gives requests no id, so nothing vouches for an answer that nobody has signed.
      hasRequestId: false,
    }),
  };
  const readable = exchange.status === 200 ? answer : undefined;
  return { kind: 'answered', facts: factsOf(exchange, state), trust, fields: readable };
};
