import { createPublicKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isAuthenticV2, signV2, v2StringToSign } from '../src/wechat/v2-signature.ts';
import { isSignedBy, parseAuthorization, platformMessage, requestMessage } from '../src/wechat/v3-signature.ts';
import { areVectorsMissing, readVectors, vectorsNote } from './vectors.ts';

type V3Vectors = {
  public_key_pem: string;
  vectors: {
    id: string;
    op: string;
    method: string;
    path_and_query: string;
    timestamp: string;
    nonce: string;
    body: string;
    message: string;
    public_key_pem?: string;
    signature?: string;
    expected?: boolean;
    expected_authorization_header?: string;
  }[];
};
const V3 = 'wechat-v3-doc-signatures.json';

describe(`official samples of v3${vectorsNote(V3)}`, () => {
  test.skipIf(areVectorsMissing(V3))("the document's request is authentic to the byte", () => {
    const file = readVectors<V3Vectors>(V3);
    const vectors = file.vectors.filter(({ op }) => op === 'request_sign');
    expect(vectors).not.toEqual([]);
    for (const vector of vectors) {
      const authorization = parseAuthorization(vector.expected_authorization_header ?? '');
      if (authorization === undefined) throw new Error(`${vector.id}: the header was not understood`);
      const { timestamp, nonceStr, signature } = authorization;
      const message = requestMessage({
        method: vector.method,
        target: vector.path_and_query,
        timestamp,
        nonceStr,
        body: Buffer.from(vector.body),
      });
      expect(message.toString()).toBe(vector.message);
      expect(isSignedBy(message, signature, createPublicKey(file.public_key_pem))).toBe(true);
    }
  });

  test.skipIf(areVectorsMissing(V3))("the document's answer is authentic, and changed by a byte it is not", () => {
    const vectors = readVectors<V3Vectors>(V3).vectors.filter(({ op }) => op.startsWith('response_verify'));
    expect(new Set(vectors.map(({ expected }) => expected))).toEqual(new Set([true, false]));
    for (const { timestamp, nonce, body, signature, public_key_pem: key, expected } of vectors) {
      const message = platformMessage(timestamp, nonce, Buffer.from(body));
      expect(isSignedBy(message, signature ?? '', createPublicKey(key ?? ''))).toBe(expected);
    }
  });
});

type V2Vectors = {
  vectors: {
    id: string;
    params: Record<string, string | number>;
    key: string;
    string_to_sign?: string;
    md5?: string;
    hmac_sha256?: string;
    verify?: unknown;
  }[];
};
const V2 = 'wechat-v2-sign.json';

test.skipIf(areVectorsMissing(V2))(`the public samples of v2 are signed and judged alike${vectorsNote(V2)}`, () => {
  const { vectors } = readVectors<V2Vectors>(V2);
  let judged = 0;
  for (const { params, key, string_to_sign, md5, hmac_sha256, verify } of vectors) {
    const fields = new Map(Object.entries(params).map(([name, value]) => [name, String(value)]));
    if (string_to_sign !== undefined) expect(v2StringToSign(fields, key)).toBe(string_to_sign);
    if (md5 !== undefined) expect(signV2(fields, key, 'MD5')).toBe(md5);
    if (hmac_sha256 !== undefined) expect(signV2(fields, key, 'HMAC-SHA256')).toBe(hmac_sha256);
    if (verify !== undefined) expect(isAuthenticV2(fields, key, 'MD5')).toBe(false);
    judged += 1;
  }
  expect(judged).toBeGreaterThan(0);
});

const PAIRS = {
  mchid: 'mchid="1900007291"',
  nonce: 'nonce_str="593BEC0C930BF1AFEB40B4A08C8FB242"',
  time: 'timestamp="1554208460"',
  serial: 'serial_no="408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB"',
  signature: 'signature="jnks4dlrPw3ZX=="',
};
const all = Object.values(PAIRS);
const HEADERS: readonly (readonly [what: string, header: string, isRead: boolean])[] = [
  ['the order of the Go and Java SDKs', `WECHATPAY2-SHA256-RSA2048 ${all.join(',')}`, true],
  ['the reverse order', `WECHATPAY2-SHA256-RSA2048 ${all.toReversed().join(',')}`, true],
  ['spaces behind the commas', `WECHATPAY2-SHA256-RSA2048 ${all.join(', ')}`, true],
  ['another scheme', `WECHATPAY2-SM2-WITH-SM3 ${all.join(',')}`, false],
  ['no scheme', all.join(','), false],
  ['a pair too few', `WECHATPAY2-SHA256-RSA2048 ${all.slice(1).join(',')}`, false],
  ['a pair twice', `WECHATPAY2-SHA256-RSA2048 ${[...all, PAIRS.mchid].join(',')}`, false],
  ['a pair that nobody knows', `WECHATPAY2-SHA256-RSA2048 ${[...all, 'extra="1"'].join(',')}`, false],
  ['an empty value', `WECHATPAY2-SHA256-RSA2048 ${all.join(',').replace(PAIRS.nonce, 'nonce_str=""')}`, false],
  [
    'a value without quotes',
    `WECHATPAY2-SHA256-RSA2048 ${all.join(',').replace(PAIRS.time, 'timestamp=1554208460')}`,
    false,
  ],
  ['nothing', '', false],
];
for (const [what, header, isRead] of HEADERS) {
  test(`an Authorization header with ${what} is ${isRead ? 'read' : 'refused'}`, () => {
    const authorization = parseAuthorization(header);
    if (isRead) expect(authorization).toMatchObject({ mchid: '1900007291', timestamp: '1554208460' });
    else expect(authorization).toBeUndefined();
  });
}
