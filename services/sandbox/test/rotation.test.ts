import { X509Certificate } from 'node:crypto';
import { AlipaySdk } from 'alipay-sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstOf, makeKeys, type RunningSandbox, readKey, runSandbox } from './running-sandbox.ts';
import { unionpayMerchant } from './unionpay-merchant.ts';

const { keys, remove } = makeKeys();
let sandbox: RunningSandbox;
beforeAll(async () => {
  sandbox = await runSandbox({ keys });
});
afterAll(async () => {
  await sandbox.close();
  remove();
});
const rotate = async (channel: string) => {
  const { status, body } = await sandbox.control.post<{ certificate: string }>('/rotate', { channel });
  return { status, certificate: body.certificate };
};

/** Alipay's own SDK, in certificate mode. */
const inCertificateMode = () => {
  const account = firstOf(keys.alipay.accounts);
  return new AlipaySdk({
    appId: account.appId,
    keyType: 'PKCS8',
    privateKey: readKey(account.appPrivateKeyFile),
    gateway: sandbox.alipayUrl,
    appCertPath: account.appCertificateFile,
    alipayPublicCertPath: keys.alipay.certificateFile,
    alipayRootCertPath: keys.alipay.rootFile,
    camelcase: false,
  });
};

describe('Alipay', () => {
  test('answers applications in certificate mode by its certificate, as its own SDK verifies it, until the next one follows', async () => {
    const ask = () =>
      inCertificateMode().exec(
        'alipay.trade.query',
        { bizContent: { out_trade_no: 'never_made' } },
        { validateSign: true },
      );
    expect(await ask()).toMatchObject({ sub_code: 'ACQ.TRADE_NOT_EXIST' });
    const { certificate } = await rotate('alipay');
    const [next, first] = [certificate, readKey(keys.alipay.certificateFile)].map((pem) => new X509Certificate(pem));
    expect([next?.subject, next?.issuer]).toEqual([first?.subject, first?.issuer]);
    expect(next?.serialNumber).not.toBe(first?.serialNumber);
    expect(next?.verify(new X509Certificate(readKey(keys.alipay.rootFile)).publicKey)).toBe(true);
    // The SDK follows nothing: it verifies by the certificate that it was given.
    await expect(ask()).rejects.toThrow();
  });
});

test('UnionPay signs by its next certificate, which stands in the answer and the same authority has issued', async () => {
  const merchant = unionpayMerchant(sandbox, firstOf(keys.unionpay.accounts));
  const shown = async () => {
    const { fields, isAuthentic } = await merchant.query('nevermade1');
    expect(isAuthentic).toBe(true);
    return new X509Certificate(fields['signPubKeyCert'] ?? '');
  };
  const before = await shown();
  await rotate('unionpay');
  const after = await shown();
  const root = new X509Certificate(readKey(keys.unionpay.rootFile));
  expect(after.fingerprint256).not.toBe(before.fingerprint256);
  expect(after.subject).toBe(before.subject);
  expect([before, after].map((certificate) => certificate.verify(root.publicKey))).toEqual([true, true]);
});

test('without the key of the authority nothing follows', async () => {
  const alone = await runSandbox({ keys, unionpay: { rootKeyFile: undefined }, alipay: { certificates: undefined } });
  for (const channel of ['unionpay', 'alipay']) {
    expect((await alone.control.post('/rotate', { channel })).status).toBe(409);
  }
  expect((await alone.control.post('/rotate', { channel: 'stripe' })).status).toBe(400);
  await alone.close();
});
