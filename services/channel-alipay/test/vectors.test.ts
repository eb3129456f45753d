import { createPublicKey } from 'node:crypto';
import { parseJsonObject, verifyRsaSha256 } from '@tillmesh/channel-kit';
import { vectorsOf } from '@tillmesh/channel-kit/contract';
import { describe, expect, test } from 'vitest';
import { readCertificate, rootCertSn } from '../src/certificate.ts';
import { rawResponseOf } from '../src/client.ts';
import { type AlipayParams, textOfRequest } from '../src/signature.ts';

const vectors = vectorsOf<{
  response_sign_string_extraction: { raw_response: string; response_key: string; expected_sign_string: string }[];
  request_sign: { params: AlipayParams; string_to_sign: string; signature: string; public_key_pem: string };
  cert_sn: {
    app_cert_pem: string;
    expected_app_cert_sn: string;
    alipay_cert_pem: string;
    expected_alipay_cert_sn: string;
    root_bundle_pem: string;
    expected_root_cert_sn: string;
  };
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

  test('certificates have the numbers that Alipay gives them; of the roots those of RSA count', () => {
    const told = vectors?.cert_sn;
    expect(readCertificate(told?.app_cert_pem ?? '')?.sn).toBe(told?.expected_app_cert_sn);
    expect(readCertificate(told?.alipay_cert_pem ?? '')?.sn).toBe(told?.expected_alipay_cert_sn);
    expect(rootCertSn(told?.root_bundle_pem ?? '')).toBe(told?.expected_root_cert_sn);
  });
});
