import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { seededRandom } from '@tillmesh/clock';
import { AlipaySdk } from 'alipay-sdk';
import { expect, test } from 'vitest';
import { failure, renderAlipay, success } from '../src/alipay/answer.ts';
import { parseForm } from '../src/alipay/form.ts';
import { isSignedRsa2, requestBytesToSign } from '../src/alipay/signature.ts';
import { areVectorsMissing, readVectors, vectorsNote } from './vectors.ts';

const VECTORS = 'alipay-signatures.json';
test.skipIf(areVectorsMissing(VECTORS))(`the public sample of a request is authentic${vectorsNote(VECTORS)}`, () => {
  const { request_sign: vector } = readVectors<{
    request_sign: { params: Record<string, string>; string_to_sign: string; signature: string; public_key_pem: string };
  }>(VECTORS);
  const query = new URLSearchParams({ ...vector.params, sign: vector.signature }).toString();
  const fields = parseForm(query, '');
  if (fields === undefined) throw new Error('the form was not understood');
  const key = createPublicKey(vector.public_key_pem);
  expect(requestBytesToSign(fields).toString()).toBe(vector.string_to_sign);
  expect(isSignedRsa2(requestBytesToSign(fields), vector.signature, key)).toBe(true);
  expect(
    isSignedRsa2(requestBytesToSign(new Map([...fields, ['version', Buffer.from('2.0')]])), vector.signature, key),
  ).toBe(false);
});

test('sign and empty values are left out, sign_type is not, and names are sorted', () => {
  const fields = parseForm('sign=x&b=2&sign_type=RSA2', 'empty=&a=1+%2B+%E8%8C%B6');
  expect(requestBytesToSign(fields ?? new Map()).toString()).toBe('a=1 + 茶&b=2&sign_type=RSA2');
});

const BROKEN: readonly (readonly [what: string, query: string, body: string])[] = [
  ['a name twice in one part', 'a=1&a=2', ''],
  ['a name in the query and in the body', 'a=1', 'a=1'],
  ['a percent sign with nothing behind', 'a=%', ''],
  ['a percent sign with one digit behind', 'a=%4', ''],
  ['a percent sign with no digits behind', 'a=%zz', ''],
  ['a value without a name', '=1', ''],
  ['65 parameters', Array.from({ length: 65 }, (_, index) => `p${index}=1`).join('&'), ''],
];
for (const [what, query, body] of BROKEN) {
  test(`a form with ${what} is refused`, () => {
    expect(parseForm(query, body)).toBeUndefined();
  });
}

test('the official SDK finds the signed text in our answers, whatever stands in them', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const pem = { type: 'pkcs8', format: 'pem' } as const;
  const sdk = new AlipaySdk({
    appId: '1',
    keyType: 'PKCS8',
    privateKey: privateKey.export(pem).toString(),
    alipayPublicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  });
  const by = { method: 'alipay.trade.query', privateKey, random: seededRandom(1) };
  const answers = [
    success({ subject: '{"sign":"xxx"} } { a/b \\ "q"', nested: { list: [{ a: '}' }], sign: 'x' } }),
    failure('ACQ.TRADE_NOT_EXIST'),
  ];
  for (const answer of answers) {
    const raw = renderAlipay(answer, 'right', by).body.toString();
    const { sign } = JSON.parse(raw) as { sign: string };
    expect(() => sdk.checkResponseSign(raw, 'alipay_trade_query_response', sign, '')).not.toThrow();
    const wrong = renderAlipay(answer, 'wrong', by).body.toString();
    const { sign: wrongSign } = JSON.parse(wrong) as { sign: string };
    expect(() => sdk.checkResponseSign(wrong, 'alipay_trade_query_response', wrongSign, '')).toThrow('验签失败');
  }
});

test('slashes are escaped, so that a client that serialises anew before it verifies fails', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const by = { method: 'alipay.trade.precreate', privateKey, random: seededRandom(1) };
  const raw = renderAlipay(success({ qr_code: 'https://qr.alipay.com/bax1' }), 'right', by).body.toString();
  expect(raw).toContain('"qr_code":"https:\\/\\/qr.alipay.com\\/bax1"');
});

const CODES: readonly (readonly [code: string, gateway: string, subCode: string])[] = [
  ['ACQ.BUYER_BALANCE_NOT_ENOUGH', '40004', 'ACQ.BUYER_BALANCE_NOT_ENOUGH'],
  ['ACQ.A_CODE_OF_TOMORROW', '40004', 'ACQ.A_CODE_OF_TOMORROW'],
  ['20000', '20000', 'isp.unknow-error'],
  ['40006', '40006', 'isv.insufficient-isv-permissions'],
  ['isv.missing-signature', '40001', 'isv.missing-signature'],
  ['isv.invalid-signature', '40002', 'isv.invalid-signature'],
  ['isp.unknow-error', '20000', 'isp.unknow-error'],
];
for (const [code, gateway, subCode] of CODES) {
  test(`${code} is answered as ${gateway} with sub_code ${subCode}`, () => {
    expect(failure(code)).toMatchObject({ code: gateway, sub_code: subCode });
  });
}
