import {
  type AnswerTrust,
  type CallFacts,
  type ChannelCall,
  factsOf,
  type HttpAnswer,
  type HttpRequest,
  headerOf,
  type JsonObject,
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
import { isFresh, signV3, type V3Stamp, v3SignatureHeaders, verifyV3, type WechatpayKeys } from './v3-signature.ts';

/** A call to WeChat Pay in the name of an account. */
export type WechatCall = ChannelCall<WechatAccount>;

/** What came back: nothing, or an answer whose content is undefined where it cannot be read. */
export type Answered<Content> =
  | { readonly kind: 'unanswered'; readonly facts: CallFacts; readonly cause: string }
  | {
      readonly kind: 'answered';
      readonly facts: CallFacts;
      readonly trust: AnswerTrust;
      readonly content: Content | undefined;
    };

const USER_AGENT = 'tillmesh-channel-wechat/1';
const NONCE_BYTES = 16;

// An account's keys are looked at by every answer: the map is made once.
const keysByAccount = new WeakMap<WechatAccount, WechatpayKeys>();
/** The keys that an account accepts, by id. */
export const wechatpayKeysOf = (account: WechatAccount): WechatpayKeys => {
  const known = keysByAccount.get(account);
  if (known !== undefined) return known;
  const keys: WechatpayKeys = new Map(account.wechatpayKeys.map(({ id, keyFile }) => [id, keyFile]));
  keysByAccount.set(account, keys);
  return keys;
};

/** The host of an account to call, and the path that its base address puts before every other. */
export const placeOf = (account: WechatAccount): { readonly baseUrl: string; readonly pathPrefix: string } => {
  const [baseUrl = ''] = account.baseUrls;
  const { pathname } = new URL(baseUrl);
  return { baseUrl, pathPrefix: pathname === '/' ? '' : pathname };
};

/** When and with which nonce something is signed now. */
export const stampOf = ({ clock, random }: Pick<WechatCall, 'clock' | 'random'>): V3Stamp => ({
  timestamp: String(Math.floor(clock.nowMs() / 1_000)),
  nonce: random.hex(NONCE_BYTES),
});

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

/**
 * Calls v3: JSON both ways, signed with the merchant's key, verified with WeChat Pay's.
 *
 * @param options.pathTemplate the path with `{names}` in the place of numbers.
 * @param options.repeatable false for what must not go to the second domain after a lost answer; a payment code is not sent twice.
 */
export const callV3 = async (
  call: WechatCall,
  options: {
    readonly method: 'GET' | 'POST';
    readonly path: string;
    readonly pathTemplate: string;
    readonly body?: JsonObject;
    readonly repeatable?: boolean;
  },
): Promise<Answered<JsonObject>> => {
  const { account, http, clock, signal } = call;
  const { baseUrl, pathPrefix } = placeOf(account);
  const path = `${pathPrefix}${options.path}`;
  const bodyText = options.body === undefined ? '' : JSON.stringify(options.body);
  const signer = { mchId: account.mchId, serialNo: account.merchantSerialNo, privateKey: account.privateKeyFile };
  const request: HttpRequest = {
    baseUrl,
    method: options.method,
    path,
    pathTemplate: options.pathTemplate,
    headers: {
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': USER_AGENT,
      // Answers are signed with the key that the request names.
      'wechatpay-serial': account.wechatpayKeys[0]?.id ?? '',
      authorization: signV3(signer, { method: options.method, pathAndQuery: path, body: bodyText }, stampOf(call)),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    },
    // Questions, and orders and refunds of one number: WeChat Pay's own SDK repeats them at the second domain with the same bytes.
    repeatable: options.repeatable ?? true,
    signal,
    ...(options.body === undefined ? {} : { body: Buffer.from(bodyText, 'utf8') }),
  };
  const exchange = await http.send(request);
  if (exchange.kind !== 'answered') {
    return { kind: 'unanswered', facts: factsOf(exchange, undefined), cause: exchange.cause };
  }
  const headers = v3SignatureHeaders((name) => headerOf(exchange.headers, name));
  const text = utf8TextOf(exchange.body);
  const signature = signatureOf(text, headers, account, clock.nowMs());
  const trust = trustOf(exchange, signature, account, /^application\/json\b/i);
  // 204 is an answer without content, which is a content of its own.
  const content = text === '' && exchange.status === 204 ? {} : parseJsonObject(text ?? '');
  return { kind: 'answered', facts: factsOf(exchange, signature), trust, content };
};

const signatureOf = (
  body: string | undefined,
  headers: ReturnType<typeof v3SignatureHeaders>,
  account: WechatAccount,
  nowMs: number,
): SignatureState => {
  const signature = body === undefined ? 'invalid' : verifyV3(headers, body, wechatpayKeysOf(account));
  // A right signature of another time is a replay.
  return signature === 'verified' && !isFresh(headers.timestamp, nowMs) ? 'invalid' : signature;
};
