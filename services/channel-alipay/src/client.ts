import type { KeyObject } from 'node:crypto';
import {
  type AnswerTrust,
  type CallFacts,
  type ChannelCall,
  factsOf,
  headerOf,
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  rawMemberOf,
  textAt,
  toBeijingText,
  unsignedIsCredible,
  utf8TextOf,
} from '@tillmesh/channel-kit';
import type { AlipayAccount } from './config.ts';
import { type AlipayParams, signRequest, verifyAnswer } from './signature.ts';

/** A call to Alipay in the name of an account. */
export type AlipayCall = ChannelCall<AlipayAccount>;

/** What came back: nothing, or an answer whose content is undefined where it cannot be read. */
export type Answered =
  | { readonly kind: 'unanswered'; readonly facts: CallFacts; readonly cause: string }
  | {
      readonly kind: 'answered';
      readonly facts: CallFacts;
      readonly trust: AnswerTrust;
      readonly content: JsonObject | undefined;
    };

/** Where a base address without a path leads. */
const GATEWAY_PATH = '/gateway.do';
const USER_AGENT = 'tillmesh-channel-alipay/1';

const formText = (params: AlipayParams): string =>
  Object.entries(params)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');

/**
 * The raw text of an answer's content: what Alipay signed, never written again. The member is named after the method; errors
 * of the gateway come as error_response.
 */
export const rawResponseOf = (text: string, method: string): string | undefined =>
  rawMemberOf(text, `${method.replaceAll('.', '_')}_response`) ?? rawMemberOf(text, 'error_response');

/**
 * The keys that may have signed an answer: in certificate mode that of the certificate which the answer names, and none where it names one
 * that we do not have.
 */
const answerKeysOf = (account: AlipayAccount, certSn: string | undefined): readonly KeyObject[] =>
  account.certificates === undefined
    ? account.alipayPublicKeys
    : account.certificates.alipayFiles.filter(({ sn }) => sn === certSn).map(({ key }) => key);

/** What may go to a second domain after a lost answer, should an account have two: questions alone. */
const REPEATABLE: ReadonlySet<string> = new Set(['alipay.trade.query', 'alipay.trade.fastpay.refund.query']);

/** The gateway's whole address. */
export const gatewayOf = (baseUrl: string): string => {
  const { pathname } = new URL(baseUrl);
  return pathname === '/' ? `${baseUrl}${GATEWAY_PATH}` : baseUrl;
};

/** The parameters of every request but its content. */
const commonParams = (
  account: AlipayAccount,
  options: { readonly method: string; readonly notifyUrl: string; readonly returnUrl: string; readonly atMs: number },
): AlipayParams =>
  Object.fromEntries(
    Object.entries({
      app_id: account.appId,
      method: options.method,
      format: 'JSON',
      charset: 'utf-8',
      sign_type: 'RSA2',
      // Beijing's time, whatever the host's zone is.
      timestamp: toBeijingText(options.atMs),
      version: '1.0',
      notify_url: options.notifyUrl,
      return_url: options.returnUrl,
      app_auth_token: account.appAuthTokenFile?.reveal() ?? '',
      app_cert_sn: account.certificates?.applicationFile.sn ?? '',
      alipay_root_cert_sn: account.certificates?.rootFile ?? '',
    }).filter(([, value]) => value !== ''),
  );

/** What a payer's own device sends to the gateway: everything in one text, signed by us. */
export const signedParameters = (
  { account }: AlipayCall,
  options: {
    readonly method: string;
    readonly content: JsonObject;
    readonly notifyUrl: string;
    readonly returnUrl: string;
    readonly atMs: number;
  },
): string => {
  const params = { ...commonParams(account, options), biz_content: JSON.stringify(options.content) };
  return formText({ ...params, sign: signRequest(params, account.privateKeyFile) });
};

/**
 * Calls a method of the gateway: the parameters in the address, the content in the body, as Alipay's own SDKs do. Signed
 * with the application's key; the answer is verified with Alipay's.
 */
export const callGateway = async (
  call: AlipayCall,
  options: {
    readonly method: string;
    readonly notifyUrl?: string;
    /** Business content, for most methods. */
    readonly content?: JsonObject;
    /** What the few without business content want in its place. */
    readonly params?: AlipayParams;
  },
): Promise<Answered> => {
  const { account, http, clock, signal } = call;
  const { method, content, params = {}, notifyUrl = '' } = options;
  const [baseUrl = ''] = account.baseUrls;
  const { pathname } = new URL(gatewayOf(baseUrl));
  const common = commonParams(account, { method, notifyUrl, returnUrl: '', atMs: clock.nowMs() });
  const body = content === undefined ? params : { biz_content: JSON.stringify(content) };
  const sign = signRequest({ ...common, ...body }, account.privateKeyFile);
  const exchange = await http.send({
    baseUrl,
    method: 'POST',
    path: `${pathname}?${formText({ ...common, sign })}`,
    pathTemplate: `${pathname}#${method}`,
    headers: {
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': USER_AGENT,
    },
    body: Buffer.from(formText(body), 'utf8'),
    repeatable: REPEATABLE.has(method),
    signal,
  });
  if (exchange.kind !== 'answered') {
    return { kind: 'unanswered', facts: factsOf(exchange, undefined), cause: exchange.cause };
  }
  const text = utf8TextOf(exchange.body) ?? '';
  const whole = parseJsonObject(text);
  const raw = whole === undefined ? undefined : rawResponseOf(text, method);
  const answerContent = raw === undefined ? undefined : parseJsonObject(raw);
  const signature =
    raw === undefined
      ? 'absent'
      : verifyAnswer(raw, textAt(whole, 'sign') ?? '', answerKeysOf(account, textAt(whole, 'alipay_cert_sn')));
  const trust: AnswerTrust = {
    httpStatus: exchange.status,
    signature,
    unsignedCredible: unsignedIsCredible({
      secure: exchange.secure,
      strictSignatures: account.strictSignatures,
      // The gateway calls its JSON text/html; that it is the method's own member says more.
      contentTypeExpected:
        isJsonObject(answerContent) &&
        /^(?:application\/json|text\/(?:html|plain))\b/i.test(headerOf(exchange.headers, 'content-type')),
      hasRequestId: headerOf(exchange.headers, 'trace_id') !== '',
    }),
  };
  const readable = exchange.status === 200 ? answerContent : undefined;
  return { kind: 'answered', facts: factsOf(exchange, signature), trust, content: readable };
};
