import { createPublicKey } from 'node:crypto';
import { parseFlatXml, verifyRsaSha256 } from '@tillmesh/channel-kit';
import { vectorsOf } from '@tillmesh/channel-kit/contract';
import { describe, expect, test } from 'vitest';
import { signV2, type V2Fields, v2TextToSign, verifyV2 } from '../src/v2-signature.ts';
import { v3TextOfAnswer, v3TextOfRequest, verifyV3 } from '../src/v3-signature.ts';

type V3Vector = {
  id: string;
  op: string;
  method?: string;
  path_and_query?: string;
  timestamp: string;
  nonce: string;
  body?: string;
  appid?: string;
  package?: string;
  message: string;
  expected_signature?: string;
  signature?: string;
  public_key_pem?: string;
  expected?: boolean;
};
const v3 = vectorsOf<{ public_key_pem: string; vectors: V3Vector[] }>('wechat-v3-doc-signatures.json');
const v2 = vectorsOf<{
  vectors: {
    id: string;
    params: Record<string, string | number>;
    key: string;
    string_to_sign?: string;
    md5?: string;
    hmac_sha256?: string;
    verify?: unknown;
  }[];
}>('wechat-v2-sign.json');
const fixtures = vectorsOf<{ xml: Record<string, string> & { must_reject_or_not_expand: Record<string, string> } }>(
  'wechat-bill-and-xml-fixtures.json',
);

describe.skipIf(v3 === undefined)('official v3 signatures (skipped where ../shared/vectors is absent)', () => {
  for (const vector of v3?.vectors ?? []) {
    const { id, op, timestamp, nonce, body = '' } = vector;
    const stamp = { timestamp, nonce };
    if (op === 'request_sign') {
      test(`${id}: our text of a request is the one that was signed`, () => {
        const text = v3TextOfRequest(vector.method ?? '', vector.path_and_query ?? '', stamp, body);
        expect(text).toBe(vector.message);
        const key = createPublicKey(v3?.public_key_pem ?? '');
        expect(verifyRsaSha256(text, vector.expected_signature ?? '', key)).toBe(true);
      });
    } else if (op === 'client_pay_sign_jsapi_or_miniprogram') {
      test(`${id}: the four lines of a JSAPI payment are the ones that were signed`, () => {
        const text = `${vector.appid}\n${timestamp}\n${nonce}\n${vector.package}\n`;
        expect(text).toBe(vector.message);
        const key = createPublicKey(v3?.public_key_pem ?? '');
        expect(verifyRsaSha256(text, vector.expected_signature ?? '', key)).toBe(true);
      });
    } else if (op === 'response_verify_with_wechatpay_public_key') {
      test(`${id}: an answer is ${vector.expected === true ? 'verified' : 'refused'}`, () => {
        const keys = new Map([['PUB_KEY_ID_1', createPublicKey(vector.public_key_pem ?? '')]]);
        const headers = { timestamp, nonce, signature: vector.signature ?? '', serial: 'PUB_KEY_ID_1' };
        if (vector.expected === true) expect(v3TextOfAnswer(stamp, body)).toBe(vector.message);
        expect(verifyV3(headers, body, keys)).toBe(vector.expected === true ? 'verified' : 'invalid');
        expect(verifyV3({ ...headers, serial: 'another' }, body, keys)).toBe('invalid');
        expect(verifyV3({ ...headers, signature: '' }, body, keys)).toBe('absent');
      });
    }
  }
});

describe.skipIf(v2 === undefined)('official v2 signatures (skipped where ../shared/vectors is absent)', () => {
  for (const { id, params, key, string_to_sign, md5, hmac_sha256, verify } of v2?.vectors ?? []) {
    const fields: V2Fields = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]));
    test(`${id}: text, MD5, HMAC and what must not verify`, () => {
      if (string_to_sign !== undefined) expect(v2TextToSign(fields, key)).toBe(string_to_sign);
      if (md5 !== undefined) {
        expect(signV2(fields, key, 'MD5')).toBe(md5);
        expect(verifyV2({ ...fields, sign: md5 }, key, 'MD5')).toBe('verified');
        // The other way to sign was not asked for.
        expect(verifyV2({ ...fields, sign: md5 }, key, 'HMAC-SHA256')).toBe('invalid');
      }
      if (hmac_sha256 !== undefined) expect(signV2(fields, key, 'HMAC-SHA256')).toBe(hmac_sha256);
      if (verify !== undefined) {
        for (const signType of ['MD5', 'HMAC-SHA256'] as const)
          expect(verifyV2(fields, key, signType)).not.toBe('verified');
      }
    });
  }
});

describe.skipIf(fixtures === undefined)('official XML (skipped where ../shared/vectors is absent)', () => {
  test('samples are read', () => {
    const notification = parseFlatXml(fixtures?.xml['pay_success_notification'] ?? '');
    expect(notification?.get('attach')).toBe('支付测试');
    expect(notification?.get('total_fee')).toBe('1');
    expect(notification?.get('out_trade_no')).toBe('1409811653');
    expect(JSON.parse(parseFlatXml(fixtures?.xml['unifiedorder'] ?? '')?.get('detail') ?? '')).toMatchObject({
      goods_detail: [{ goods_id: 'iphone6s_16G' }, { goods_id: 'iphone6s_32G' }],
    });
  });
  for (const [name, text] of Object.entries(fixtures?.xml.must_reject_or_not_expand ?? {})) {
    test(`${name} is refused`, () => expect(parseFlatXml(text)).toBeUndefined());
  }
});
