import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueCertificate, startAndStop } from '@tillmesh/channel-kit/contract';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-unionpay-'));
afterAll(() => rmSync(folder, { recursive: true }));

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
writeFileSync(join(folder, 'own.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
writeFileSync(join(folder, 'unionpay.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
const root = issueCertificate({ commonName: 'root', isAuthority: true });
const middle = issueCertificate({ commonName: 'middle', issuer: root, isAuthority: true });
const leaf = issueCertificate({ commonName: 'leaf', issuer: middle });
for (const { commonName, certificate } of [root, middle, leaf]) {
  writeFileSync(join(folder, `${commonName}.cer`), certificate);
}
const good = {
  accountId: 'unionpay-a',
  baseUrls: ['https://gateway.95516.com/gateway/api'],
  merId: '777290058110048',
  certId: '68759663125',
  privateKeyFile: 'own.pem',
  unionpayCertificates: ['unionpay.pem'],
};
const byCertificate = {
  ...good,
  accountId: 'unionpay-b',
  unionpayCertificates: [],
  certificateTrust: { authorities: ['root.cer', 'middle.cer'], signerNames: ['00040000:SIGN'] },
};
const start = (settings?: object) => startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings);

test('a good configuration starts, serves and stops in order', async () => {
  const { code, output } = await start({ server: { port: 0 }, logLevel: 'trace', accounts: [good, byCertificate] });
  expect(output).toContain('"msg":"ready"');
  expect(code).toBe(0);
});

test('a wrong configuration ends with exit status 1 and every problem by name', async () => {
  const accounts = [
    { ...good, privateKeyFile: 'unionpay.pem', certId: 'ab', merId: '1' },
    {
      ...good,
      accountId: 'b',
      unionpayCertificates: [],
      confirmedCodes: { notFound: ['345'], declined: { '51': 'no money', '12': 'other', A6: 'other' } },
    },
    { ...byCertificate, accountId: 'c', certificateTrust: { authorities: ['middle.cer'] } },
    { ...byCertificate, accountId: 'd', certificateTrust: { authorities: ['root.cer', 'leaf.cer', 'own.pem'] } },
    { ...byCertificate, accountId: 'e', certificateTrust: {} },
  ];
  const { code, output } = await start({ server: { port: 0 }, accounts });
  expect(code).toBe(1);
  for (const problem of [
    'accounts.0.privateKeyFile',
    'accounts.0.certId: is not decimal',
    'accounts.0.merId: is not 15 characters',
    'accounts.2.certificateTrust.authorities: each needs the certificate that issued it',
    'accounts.3.certificateTrust.authorities.1: the file holds no certificate of an authority',
    'accounts.3.certificateTrust.authorities.2: the file holds no certificate of an authority',
    "accounts.4.unionpayCertificates: name UnionPay's signing certificate here",
    'accounts.1.confirmedCodes.notFound.0',
    'accounts.1.confirmedCodes.declined.51',
    'accounts.1.confirmedCodes.declined.12',
    'accounts.1.confirmedCodes.declined.A6',
  ]) {
    expect(output).toContain(problem);
  }
});
