import { type KeyObject, sign, verify } from 'node:crypto';
import type { FormFields } from './form.ts';

/** RSA2: RSASSA-PKCS1-v1_5 with SHA-256, in base64. */
export const signRsa2 = (text: string | Buffer, privateKey: KeyObject): string =>
  sign('sha256', Buffer.from(text), privateKey).toString('base64');

export const isSignedRsa2 = (text: string | Buffer, signature: string, publicKey: KeyObject): boolean => {
  // Node's decoder skips what is no base64: a signature with rubbish in it would pass as the clean one.
  if (!/^[0-9A-Za-z+/]+={0,2}$/.test(signature)) return false;
  return verify('sha256', Buffer.from(text), publicKey, Buffer.from(signature, 'base64'));
};

/** What a merchant signs: everything but `sign` and empty values, sorted by name, undecorated. `sign_type` belongs to it. */
export const requestBytesToSign = (fields: FormFields): Buffer => {
  const pairs = [...fields]
    .filter(([name, value]) => name !== 'sign' && value.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => Buffer.concat([Buffer.from(`${name}=`, 'latin1'), value]));
  return Buffer.concat(pairs.flatMap((pair, index) => (index === 0 ? [pair] : [Buffer.from('&'), pair])));
};

/** What Alipay signs of a notification: everything but `sign` and `sign_type`, sorted by name. */
export const notificationTextToSign = (parameters: Readonly<Record<string, string>>): string =>
  Object.entries(parameters)
    .filter(([name, value]) => name !== 'sign' && name !== 'sign_type' && value !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
