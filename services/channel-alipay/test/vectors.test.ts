import { createPublicKey } from 'node:crypto';
import { parseJsonObject, verifyRsaSha256 } from '@tillmesh/channel-kit';
import { vectorsOf } from '@tillmesh/channel-kit/contract';
import { describe, expect, test } from 'vitest';
import { rawResponseOf } from '../src/client.ts';
import { type AlipayParams, textOfRequest } from '../src/signature.ts';

const vectors = vectorsOf<{
  response_sign_string_extraction: { raw_response: string; response_key: string; expected_sign_string: string }[];
  request_sign: { params: AlipayParams; string_to_sign: string; signature: string; public_key_pem: string };
}>('alipay-signatures.json');

describe.skipIf(vectors === undefined)('official signatures (skipped where ../shared/vectors is absent)', () => {
  for (const [index, { raw_response, response_key, expected_sign_string }] of (
    vectors?.response_sign_string_extraction ?? []
  ).entries()) {
    test(`answer ${index + 1}: the signed text is found as it was received`, () => {
      const method = response_key.replace(/_response$/, '').replaceAll('_', '.');
      expect(parseJsonObject(raw_response)).toBeDefined();
      expect(rawResponseOf(raw_response, method)).toBe(expected_sign_string);
    });
  }

  test('a request: our text is the one that was signed, sign_type included', () => {
    const { params = {}, string_to_sign, signature = '', public_key_pem = '' } = vectors?.request_sign ?? {};
    expect(textOfRequest(params)).toBe(string_to_sign);
    expect(textOfRequest({ ...params, sign: 'x', empty: '' })).toBe(string_to_sign);
    expect(verifyRsaSha256(textOfRequest(params), signature, createPublicKey(public_key_pem))).toBe(true);
  });
});
