import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/channel-kit/contract';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-stripe-'));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return name;
};
const SECRET = 'sk_test_51AbCdEfGhIjKlMnOp';
const WEBHOOK = 'whsec_0123456789abcdef';
const files = { secret: write('secret.txt', `${SECRET}\n`), webhook: write('webhook.txt', WEBHOOK) };
const goodAccount = {
  accountId: 'stripe-a',
  baseUrls: ['https://api.stripe.com'],
  secretKeyFile: files.secret,
  webhookSecretFiles: [files.webhook],
};

const start = (settings?: object) => startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings);

test('a good configuration starts, serves and stops in order, and its secrets are not written', async () => {
  const { code, output } = await start({ server: { port: 0 }, logLevel: 'trace', accounts: [goodAccount] });
  expect(output).toContain('"msg":"ready"');
  expect(code).toBe(0);
  for (const secret of [SECRET, WEBHOOK]) expect(output).not.toContain(secret);
});

test('a wrong configuration ends with exit status 1 and every problem by name, and without the secrets', async () => {
  const { code, output } = await start({
    server: { port: 0 },
    accounts: [
      { ...goodAccount, secretKeyFile: files.webhook, webhookSecretFiles: [files.secret] },
      { ...goodAccount, accountId: 'b', webhookSecretFiles: [], returnUrl: 'shop' },
      { ...goodAccount, accountId: 'c', baseUrls: ['http://api.stripe.com'] },
      { ...goodAccount, accountId: 'd', secretKeyFile: 'missing.txt' },
    ],
  });
  expect(code).toBe(1);
  for (const problem of [
    'accounts.0.secretKeyFile: the key file does not hold sk_test_',
    'accounts.0.webhookSecretFiles.0: the key file does not hold whsec_',
    'accounts.1.webhookSecretFiles',
    'accounts.1.returnUrl',
    'accounts.2.baseUrls: has to begin with https',
    'accounts.3.secretKeyFile: the file missing.txt cannot be read',
  ]) {
    expect(output).toContain(problem);
  }
  for (const secret of [SECRET, WEBHOOK]) expect(output).not.toContain(secret);
});
