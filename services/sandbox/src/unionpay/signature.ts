import { createHash, createSign, createVerify, type KeyObject } from 'node:crypto';

/** Fields of a request, an answer or a notification. */
export type AcpFields = Readonly<Record<string, string>>;

// ACP 5.1.0: every field that is not empty but `signature`, by name in ASCII order, as k=v joined by &; of that text the SHA-256 in
// lower-case hex; and over that hex RSA with SHA-256, as base64.
const digestOf = (fields: AcpFields): string => {
  const names = Object.keys(fields).filter((name) => name !== 'signature' && fields[name] !== '');
  const text = names
    .sort()
    .map((name) => `${name}=${fields[name]}`)
    .join('&');
  return createHash('sha256').update(text, 'utf8').digest('hex');
};

export const signAcp = (fields: AcpFields, key: KeyObject): string =>
  createSign('RSA-SHA256').update(digestOf(fields)).sign(key, 'base64');

export const isSignedAcp = (fields: AcpFields, key: KeyObject): boolean => {
  try {
    return createVerify('RSA-SHA256')
      .update(digestOf(fields))
      .verify(key, fields['signature'] ?? '', 'base64');
  } catch {
    return false;
  }
};
