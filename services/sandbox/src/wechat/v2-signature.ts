import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { XmlFields } from './v2-xml.ts';

export type SignType = 'MD5' | 'HMAC-SHA256';

/** MD5 without a field of this name; undefined where it names something else. */
export const signTypeOf = (fields: XmlFields): SignType | undefined => {
  const name = fields.get('sign_type') ?? '';
  if (name === '' || name === 'MD5') return 'MD5';
  return name === 'HMAC-SHA256' ? name : undefined;
};

/** Non-empty fields but `sign`, in ASCII order, as `k=v&…&key=KEY`. */
export const v2StringToSign = (fields: XmlFields, key: string): string =>
  [...fields]
    .filter(([name, value]) => name !== 'sign' && value !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .concat(`key=${key}`)
    .join('&');

/** Upper-case hex. */
export const signV2 = (fields: XmlFields, key: string, signType: SignType): string => {
  const text = v2StringToSign(fields, key);
  const digest = signType === 'MD5' ? createHash('md5').update(text) : createHmac('sha256', key).update(text);
  return digest.digest('hex').toUpperCase();
};

/** A message without `sign` is never authentic. */
export const isAuthenticV2 = (fields: XmlFields, key: string, signType: SignType): boolean => {
  const given = Buffer.from(fields.get('sign') ?? '');
  const wanted = Buffer.from(signV2(fields, key, signType));
  return given.length === wanted.length && timingSafeEqual(given, wanted);
};
