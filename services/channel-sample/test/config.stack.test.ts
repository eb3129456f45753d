import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/channel-kit/contract';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-sample-'));
afterAll(() => rmSync(folder, { recursive: true }));

const KEY = 'a-key-of-thirty-two-characters-a';
writeFileSync(join(folder, 'key'), `${KEY}\n`);
writeFileSync(join(folder, 'short'), 'short');
const good = {
  accountId: 'sample-a',
  baseUrls: ['https://pay.example.com'],
  merchantNo: '1000001',
  keyFile: 'key',
};
const start = (settings?: object) => startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings);

test('a good configuration starts, serves and stops in order, and its key is not written', async () => {
  const { code, output } = await start({ server: { port: 0 }, logLevel: 'trace', accounts: [good] });
  expect(output).toContain('"msg":"ready"');
  expect(code).toBe(0);
  expect(output).not.toContain(KEY);
});

test('a wrong configuration ends with exit status 1 and every problem by name', async () => {
  const accounts = [
    { ...good, keyFile: 'short' },
    { ...good, accountId: 'b', merchantNo: 'x' },
  ];
  const { code, output } = await start({ server: { port: 0 }, accounts });
  expect(code).toBe(1);
  expect(output).toContain('accounts.0.keyFile: the key file does not hold 32 to 128 characters');
  expect(output).toContain('accounts.1.merchantNo: is not 6 to 20 digits');
});
