import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/channel-kit/contract';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-alipay-'));
afterAll(() => rmSync(folder, { recursive: true }));

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return name;
};
const files = {
  // As Alipay's key tool writes them: base64 without the lines of PEM.
  private: write('private.txt', rsa.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')),
  public: write('public.txt', rsa.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')),
};
const goodAccount = {
  accountId: 'alipay-a',
  baseUrls: ['https://openapi.alipay.com/gateway.do'],
  appId: '2021000122682882',
  sellerId: '2088102146225135',
  privateKeyFile: files.private,
  alipayPublicKeys: [files.public],
};

const start = (settings?: object) => startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings);

test('a good configuration starts, serves and stops in order', async () => {
  const { code, output } = await start({ server: { port: 0 }, accounts: [goodAccount] });
  expect(output).toContain('"msg":"ready"');
  expect(code).toBe(0);
});

test('a wrong configuration ends with exit status 1 and every problem by name', async () => {
  const { code, output } = await start({
    server: { port: 0 },
    accounts: [
      { ...goodAccount, appId: '1', sellerId: '1', privateKeyFile: files.public },
      { ...goodAccount, alipayPublicKeys: ['missing.txt'] },
      { ...goodAccount, alipayPublicKeys: [] },
    ],
  });
  expect(code).toBe(1);
  for (const problem of [
    'accounts.0.appId: is not 16 digits',
    'accounts.0.sellerId',
    "accounts.0.privateKeyFile: the key file is not the application's private key",
    'accounts.1.alipayPublicKeys.0: the file missing.txt cannot be read',
    'accounts.2.alipayPublicKeys',
  ]) {
    expect(output).toContain(problem);
  }
});
