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
import { nextKeyOf } from './next-certificate.ts';
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
 * that neither was configured nor learned.
 */
const answerKeysOf = (account: AlipayAccount, certSn: string | undefined): readonly KeyObject[] => {
  if (account.certificates === undefined) return account.alipayPublicKeys;
  const { alipayFiles, learned } = account.certificates;
  const later = certSn === undefined ? undefined : learned.get(certSn);
  return [
    ...alipayFiles.filter(({ sn }) => sn === certSn).map(({ key }) => key),
    ...(later === undefined ? [] : [later]),
  ];
};

const DOWNLOAD = 'alipay.open.app.alipaycert.download';
const CERT_SN = /^[0-9a-f]{32}$/;

/**
 * Asks Alipay for the certificate that an answer names and nobody has configured. The answer to that proves nothing by itself: the
 * certificate in it does, or does not.
 */
const learnCertificate = async (call: AlipayCall, sn: string): Promise<void> => {
  const { account, clock } = call;
  const { certificates } = account;
  if (certificates === undefined || !CERT_SN.test(sn) || answerKeysOf(account, sn).length > 0) return;
  if (!certificates.learned.mayAsk(sn, clock.nowMs())) return;
  const answer = await callGateway(call, { method: DOWNLOAD, content: { alipay_cert_sn: sn } });
  const content = answer.kind === 'answered' ? textAt(answer.content, 'alipay_cert_content') : undefined;
  const key =
    content === undefined
      ? undefined
      : nextKeyOf(content, {
          sn,
          known: certificates.alipayFiles,
          roots: certificates.rootFile.certificates,
          nowMs: clock.nowMs(),
        });
  if (key !== undefined) certificates.learned.learn(sn, key);
};

/** What may go to a second domain after a lost answer, should an account have two: questions alone. */
const REPEATABLE: ReadonlySet<string> = new Set([
  'alipay.trade.query',
  'alipay.trade.fastpay.refund.query',
  'alipay.open.app.alipaycert.download',
]);

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
      alipay_root_cert_sn: account.certificates?.rootFile.sn ?? '',
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
  const certSn = textAt(whole, 'alipay_cert_sn');
  if (certSn !== undefined && method !== DOWNLOAD) await learnCertificate(call, certSn);
  const signature =
    raw === undefined ? 'absent' : verifyAnswer(raw, textAt(whole, 'sign') ?? '', answerKeysOf(account, certSn));
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
