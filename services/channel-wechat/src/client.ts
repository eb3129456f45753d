import {
  type AnswerTrust,
  type CallFacts,
  factsOf,
  type HttpAnswer,
  type HttpRequest,
  headerOf,
  type JsonObject,
  nothingSent,
  parseFlatXml,
  parseJsonObject,
  unsignedIsCredible,
  utf8TextOf,
  writeFlatXml,
  xmlSafe,
} from '@tillmesh/channel-kit';
import { assert, type SignatureState } from '@tillmesh/domain';
import type { WechatAccount } from './config.ts';
import { v2MerchantIds } from './merchant-ids.ts';
import { signV2, type V2Fields, verifyV2 } from './v2-signature.ts';
import { exchangeV3, signatureStateOf, signedOf, type V3Request } from './v3-exchange.ts';
import { NONCE_BYTES, placeOf, USER_AGENT, type WechatCall } from './wechat-call.ts';
import { askedKeyOf, hasKeysFor, seekKey, wechatpayKeysOf } from './wechatpay-keys.ts';

/** What came back: nothing, or an answer whose content is undefined where it cannot be read. */
export type Answered<Content> =
  | { readonly kind: 'unanswered'; readonly facts: CallFacts; readonly cause: string }
  | {
      readonly kind: 'answered';
      readonly facts: CallFacts;
      readonly trust: AnswerTrust;
      readonly content: Content | undefined;
    };

const trustOf = (
  answer: HttpAnswer,
  signature: SignatureState,
  account: WechatAccount,
  contentType: RegExp,
): AnswerTrust => ({
  httpStatus: answer.status,
  signature,
  unsignedCredible: unsignedIsCredible({
    secure: answer.secure,
    strictSignatures: account.strictSignatures,
    contentTypeExpected: contentType.test(headerOf(answer.headers, 'content-type')),
    hasRequestId: headerOf(answer.headers, 'request-id') !== '',
  }),
});

/**
 * Calls v2: XML both ways, signed with the API key.
 *
 * @param options.fields what the operation needs besides merchant, application, nonce_str and sign; empty values are left out.
 * @param options.withCertificate true for operations under /secapi.
 * @param options.repeatable true for what may go to the second domain after a lost answer; a payment code is not sent twice.
 */
export const callV2 = async (
  call: WechatCall,
  options: {
    readonly path: string;
    readonly fields: V2Fields;
    readonly withCertificate?: boolean;
    readonly repeatable?: boolean;
  },
): Promise<Answered<V2Fields>> => {
  const { account, http, random, signal } = call;
  const { path, withCertificate = false, repeatable = false } = options;
  const { baseUrl, pathPrefix } = placeOf(account);
  const key = account.apiV2KeyFile?.reveal();
  assert(key !== undefined, `account ${account.accountId} has no key of v2`);
  const named = {
    ...v2MerchantIds(account),
    nonce_str: random.hex(NONCE_BYTES),
    sign_type: account.v2SignType,
    ...options.fields,
  };
  const fields = Object.fromEntries(
    Object.entries(named)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => [name, xmlSafe(value)]),
  );
  const body = writeFlatXml({ ...fields, sign: signV2(fields, key, account.v2SignType) });
  const request: HttpRequest = {
    baseUrl,
    method: 'POST',
    path: `${pathPrefix}${path}`,
    pathTemplate: path,
    headers: {
      'content-type': 'text/xml; charset=utf-8',
      accept: 'text/xml',
      'accept-encoding': 'identity',
      'user-agent': USER_AGENT,
    },
    body: Buffer.from(body, 'utf8'),
    repeatable,
    signal,
    ...(withCertificate && account.apiCertificate !== undefined ? { certificateHolder: account.accountId } : {}),
  };
  const exchange = await http.send(request);
  if (exchange.kind !== 'answered') {
    return { kind: 'unanswered', facts: factsOf(exchange, undefined), cause: exchange.cause };
  }
  const parsed = parseFlatXml(utf8TextOf(exchange.body) ?? '');
  const content = parsed === undefined || exchange.status !== 200 ? undefined : Object.fromEntries(parsed);
  const signature = content === undefined ? 'absent' : verifyV2(content, key, account.v2SignType);
  // Real answers of v2 call themselves text/plain.
  const trust = trustOf(exchange, signature, account, /^(?:text\/(?:xml|plain)|application\/xml)\b/i);
  return { kind: 'answered', facts: factsOf(exchange, signature), trust, content };
};

/** What is told where nothing was sent, because whatever came back could not be verified. */
const NO_KEY = 'no_wechatpay_key';

/**
 * Calls v3: JSON both ways, signed with the merchant's key, verified with WeChat Pay's. Without any key to verify with nothing is sent; an
 * answer under an id that nobody knows is verified once more after a look at the platform's certificates, where the account wants them.
 */
export const callV3 = async (call: WechatCall, request: V3Request): Promise<Answered<JsonObject>> => {
  const { account, clock } = call;
  if (!(await hasKeysFor(call))) return { kind: 'unanswered', facts: nothingSent, cause: NO_KEY };
  const exchange = await exchangeV3(call, request, askedKeyOf(account, clock.nowMs()));
  if (exchange.kind !== 'answered') {
    return { kind: 'unanswered', facts: factsOf(exchange, undefined), cause: exchange.cause };
  }
  const signed = signedOf(exchange);
  if (signed.signature !== '') await seekKey(signed.serial, call);
  const nowMs = clock.nowMs();
  const signature = signatureStateOf(signed, wechatpayKeysOf(account, nowMs), nowMs);
  const trust = trustOf(exchange, signature, account, /^application\/json\b/i);
  // 204 is an answer without content, which is a content of its own.
  const content = signed.text === '' && exchange.status === 204 ? {} : parseJsonObject(signed.text ?? '');
  return { kind: 'answered', facts: factsOf(exchange, signature), trust, content };
};
