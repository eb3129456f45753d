import { type HttpExchange, type HttpRequest, headerOf, type JsonObject, utf8TextOf } from '@tillmesh/channel-kit';
import type { SignatureState } from '@tillmesh/domain';
import { isFresh, signV3, v3SignatureHeaders, verifyV3, type WechatpayKeys } from './v3-signature.ts';
import { placeOf, stampOf, USER_AGENT, type WechatCall } from './wechat-call.ts';

/** A request of v3 before it is signed. */
export type V3Request = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** The path with `{names}` in the place of numbers. */
  readonly pathTemplate: string;
  readonly body?: JsonObject;
  /** False for what must not go to the second domain after a lost answer; a payment code is not sent twice. */
  readonly repeatable?: boolean;
};

/**
 * Sends a request that the merchant's key has signed. Nothing is known of the answer's signature yet.
 *
 * @param askedKey the id of WeChat Pay's key that the answer is to be signed with; empty: whichever it likes.
 */
export const exchangeV3 = async (
  call: Pick<WechatCall, 'account' | 'http' | 'clock' | 'random' | 'signal'>,
  request: V3Request,
  askedKey: string,
): Promise<HttpExchange> => {
  const { account, http, signal } = call;
  const { baseUrl, pathPrefix } = placeOf(account);
  const path = `${pathPrefix}${request.path}`;
  const bodyText = request.body === undefined ? '' : JSON.stringify(request.body);
  const signer = { mchId: account.mchId, serialNo: account.merchantSerialNo, privateKey: account.privateKeyFile };
  const sent: HttpRequest = {
    baseUrl,
    method: request.method,
    path,
    pathTemplate: request.pathTemplate,
    headers: {
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': USER_AGENT,
      ...(askedKey === '' ? {} : { 'wechatpay-serial': askedKey }),
      authorization: signV3(signer, { method: request.method, pathAndQuery: path, body: bodyText }, stampOf(call)),
      ...(request.body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    },
    // Questions, and orders and refunds of one number: WeChat Pay's own SDK repeats them at the second domain with the same bytes.
    repeatable: request.repeatable ?? true,
    signal,
    ...(request.body === undefined ? {} : { body: Buffer.from(bodyText, 'utf8') }),
  };
  return http.send(sent);
};

/** An answer of v3 as far as its signature needs it. */
export type V3Signed = Parameters<typeof verifyV3>[0] & { readonly text: string | undefined };

/** The text and the signature's headers of an answer. */
export const signedOf = (exchange: Extract<HttpExchange, { kind: 'answered' }>): V3Signed => ({
  ...v3SignatureHeaders((name) => headerOf(exchange.headers, name)),
  text: utf8TextOf(exchange.body),
});

/** What is known of an answer's signature now. A right signature of another time is a replay. */
export const signatureStateOf = (signed: V3Signed, keys: WechatpayKeys, nowMs: number): SignatureState => {
  const state = signed.text === undefined ? 'invalid' : verifyV3(signed, signed.text, keys);
  return state === 'verified' && !isFresh(signed.timestamp, nowMs) ? 'invalid' : state;
};
