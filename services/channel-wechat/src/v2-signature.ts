import { equalInConstantTime, hmacSha256Hex, md5Hex } from '@tillmesh/channel-kit';
import type { SignatureState } from '@tillmesh/domain';

/** WeChat Pay v2's ways to sign, by the name that sign_type carries. */
export type V2SignType = 'HMAC-SHA256' | 'MD5';

/** Fields of a v2 request or answer. */
export type V2Fields = Readonly<Record<string, string>>;

/**
 * The text that v2 signs: every field that is not empty, but not `sign`, in ASCII order as `k=v&`, then `key=`.
 * Source: pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=4_3.
 */
export const v2TextToSign = (fields: V2Fields, key: string): string =>
  Object.entries(fields)
    .filter(([name, value]) => name !== 'sign' && value !== '')
    // Code units, as ASCII order wants; a collation would order by language.
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}&`)
    .join('')
    .concat(`key=${key}`);

/** Signs as upper-case hex. */
export const signV2 = (fields: V2Fields, key: string, signType: V2SignType): string => {
  const text = v2TextToSign(fields, key);
  return signType === 'MD5' ? md5Hex(text) : hmacSha256Hex(text, key);
};

/** What is known of an answer's signature; it must be made in the way that the request asked for. */
export const verifyV2 = (fields: V2Fields, key: string, signType: V2SignType): SignatureState => {
  const { sign = '' } = fields;
  if (sign === '') return 'absent';
  return equalInConstantTime(sign, signV2(fields, key, signType)) ? 'verified' : 'invalid';
};
