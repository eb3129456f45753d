import type { KeyObject } from 'node:crypto';
import { signRsaSha256, verifyRsaSha256 } from '@tillmesh/channel-kit';
import type { SignatureState } from '@tillmesh/domain';

/** Parameters of a request or a notification, decoded. */
export type AlipayParams = Readonly<Record<string, string>>;

const joined = (params: AlipayParams, leftOut: readonly string[], keepsEmpty: boolean): string =>
  Object.entries(params)
    .filter(([name, value]) => !leftOut.includes(name) && (keepsEmpty || value !== ''))
    // Code units, as ASCII order wants; a collation would order by language.
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');

/** The text that a request signs: every parameter that is not empty, but not `sign`; `sign_type` is part of it. */
export const textOfRequest = (params: AlipayParams): string => joined(params, ['sign'], false);

/** Signs a request (RSA2), as base64. */
export const signRequest = (params: AlipayParams, privateKey: KeyObject): string =>
  signRsaSha256(textOfRequest(params), privateKey);

/**
 * What is known of an answer's signature.
 *
 * @param rawResponse the text of the `..._response` member exactly as it was received.
 */
export const verifyAnswer = (rawResponse: string, sign: string, publicKeys: readonly KeyObject[]): SignatureState => {
  if (sign === '') return 'absent';
  return publicKeys.some((key) => verifyRsaSha256(rawResponse, sign, key)) ? 'verified' : 'invalid';
};

/**
 * The texts that a notification may have signed, likeliest first. Documents say without `sign` and `sign_type`; some message
 * types keep `sign_type` (official SDK, checkNotifySign), and whether empty values are kept differs among SDKs.
 */
export const textsOfNotification = (params: AlipayParams): readonly string[] => [
  joined(params, ['sign', 'sign_type'], true),
  joined(params, ['sign', 'sign_type'], false),
  joined(params, ['sign'], true),
  joined(params, ['sign'], false),
];

/** What is known of a notification's signature. RSA2 alone counts: RSA with SHA-1 is not accepted. */
export const verifyNotification = (params: AlipayParams, publicKeys: readonly KeyObject[]): SignatureState => {
  const { sign = '', sign_type: signType = 'RSA2' } = params;
  if (sign === '') return 'absent';
  if (signType !== 'RSA2') return 'invalid';
  const texts = textsOfNotification(params);
  return publicKeys.some((key) => texts.some((text) => verifyRsaSha256(text, sign, key))) ? 'verified' : 'invalid';
};
