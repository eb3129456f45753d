import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/channel-kit/contract';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-qra-'));
afterAll(() => rmSync(folder, { recursive: true }));

const KEY = '9d101c97133837e13dde2d32a5054abb';
writeFileSync(join(folder, 'key'), `${KEY}\n`);
writeFileSync(join(folder, 'short'), 'short');
const good = {
  accountId: 'qra-a',
  baseUrls: ['https://pay.example.com'],
  mchId: 'QRA290000000001',
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
    { ...good, accountId: 'b', mchId: 'x' },
  ];
  const { code, output } = await start({ server: { port: 0 }, accounts });
  expect(code).toBe(1);
  expect(output).toContain('accounts.0.keyFile: the key file does not hold 32 letters and digits');
  expect(output).toContain('accounts.1.mchId: is not 6 to 32 letters and digits');
});
