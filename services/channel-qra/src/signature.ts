import { equalInConstantTime, md5Hex } from '@tillmesh/channel-kit';
import type { SignatureState } from '@tillmesh/domain';

/** Fields of a request or an answer, by name. */
export type QraFields = Readonly<Record<string, string>>;

/**
 * Signs fields as upper-case hex: every one that is not empty, but not `sign`, by name in ASCII order as `k=v&`, then
 * `key=<key>`, MD5. Source: the documents of the unified.trade gateways, "signature algorithm".
 */
export const sign = (fields: QraFields, key: string): string =>
  md5Hex(
    Object.entries(fields)
      .filter(([name, value]) => name !== 'sign' && value !== '')
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `${name}=${value}&`)
      .join('')
      .concat(`key=${key}`),
  );

/** What is known of an answer's signature, over its own fields. */
export const verify = (fields: QraFields, key: string): SignatureState => {
  const { sign: given = '' } = fields;
  if (given === '') return 'absent';
  return equalInConstantTime(given, sign(fields, key)) ? 'verified' : 'invalid';
};
