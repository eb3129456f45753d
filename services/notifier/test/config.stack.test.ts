import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-notifier-'));
afterAll(() => rmSync(folder, { recursive: true }));

writeFileSync(join(folder, 'password'), 'secret\n');
writeFileSync(join(folder, 'row-key'), `${'0123456789abcdef'.repeat(4)}\n`);
writeFileSync(join(folder, 'webhook-key'), `whsec_${Buffer.alloc(32, 1).toString('base64')}\n`);
const nowhere = { host: '127.0.0.1', port: 1 };
const good = {
  server: { port: 0 },
  orders: {
    map: { version: 1, groups: [{ tag: 1, endpoints: [nowhere] }] },
    user: 'read',
    password: 'password',
    rowKeys: { current: 1, keys: [{ id: 1, keyFile: 'row-key' }] },
  },
  store: { endpoints: [nowhere], user: 'events', password: 'password' },
  redis: nowhere,
  routing: { target: '127.0.0.1:1' },
  webhooks: { keys: [{ keyId: 'k-1', signing: 'hmac-sha256', keyFile: 'webhook-key' }] },
};

const start = (settings?: object | string) =>
  startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings, process.env);

test('a good configuration starts while databases, Redis and routing are away, and stops in order', async () => {
  const { code, output } = await start(good);
  expect(output).toContain('"msg":"ready"');
  expect(output).toContain('"msg":"stopped"');
  expect(code).toBe(0);
});

test('a wrong configuration ends with exit status 1, names every problem and shows no key', async () => {
  const { code, output } = await start({
    ...good,
    webhooks: {
      keys: [{ keyId: 'k-1', signing: 'ed25519', keyFile: 'webhook-key' }],
      allowedNetworks: ['10.0.0.0'],
      retryTimeScale: 2,
    },
  });
  expect(code).toBe(1);
  expect(output).toContain('notifier cannot start: 3 problems in ');
  expect(output).toContain('\n  webhooks.keys.0.keyFile: the key is no PEM');
  expect(output).toContain('\n  webhooks.allowedNetworks.0: is no network');
  expect(output).not.toContain('whsec_');
});
