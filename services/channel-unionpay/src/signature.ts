import { createHash, type KeyObject } from 'node:crypto';
import { signRsaSha256, verifyRsaSha256 } from '@tillmesh/channel-kit';
import type { SignatureState } from '@tillmesh/domain';

/** Fields of a request, an answer or a notification. */
export type AcpFields = Readonly<Record<string, string>>;

/** The text that is signed: every field that is not empty but `signature`, by name in ASCII order, as k=v joined by `&`. */
export const textToSign = (fields: AcpFields): string =>
  Object.entries(fields)
    .filter(([name, value]) => name !== 'signature' && value !== '')
    // Code units, as ASCII order wants; a collation would order by language.
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');

/** The SHA-256 of that text in lower-case hex: ACP 5.1.0 signs this, not the text. */
export const digestOf = (fields: AcpFields): string =>
  createHash('sha256').update(textToSign(fields), 'utf8').digest('hex');

/** Signs fields (signMethod 01): RSA with SHA-256 over the digest, as base64. */
export const sign = (fields: AcpFields, privateKey: KeyObject): string => signRsaSha256(digestOf(fields), privateKey);

/** What is known of a signature, by any of UnionPay's keys. */
export const verify = (fields: AcpFields, publicKeys: readonly KeyObject[]): SignatureState => {
  const { signature = '' } = fields;
  if (signature === '') return 'absent';
  const digest = digestOf(fields);
  return publicKeys.some((key) => verifyRsaSha256(digest, signature, key)) ? 'verified' : 'invalid';
};
