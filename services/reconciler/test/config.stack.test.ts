import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-reconciler-'));
afterAll(() => rmSync(folder, { recursive: true }));

writeFileSync(join(folder, 'password'), 'secret\n');
writeFileSync(join(folder, 'row-key'), `${'0123456789abcdef'.repeat(4)}\n`);
const nowhere = '127.0.0.1:1';
const settings = {
  server: { port: 0 },
  orders: {
    map: { version: 1, groups: [{ tag: 1, endpoints: [{ host: '127.0.0.1', port: 1 }] }] },
    user: 'read',
    password: 'password',
    rowKeys: { current: 1, keys: [{ id: 1, keyFile: 'row-key' }] },
  },
  channels: [{ channelId: 'wechat', target: nowhere }],
  syncer: { target: nowhere },
  redis: { host: '127.0.0.1', port: 1 },
  folder: join(folder, 'own'),
  schedule: {},
};

const start = (changed: object) =>
  startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, { ...settings, ...changed }, process.env);

test('a good configuration starts while every neighbour is away, serves and stops in order', async () => {
  const { code, output } = await start({});
  expect(output).toContain('"msg":"ready"');
  expect(output).toContain('"msg":"stopped"');
  expect(code).toBe(0);
});

test('a wrong configuration ends with exit status 1 and names every problem', async () => {
  const { code, output } = await start({
    fees: [{ accountId: 'NOT ONE', perTenThousand: 3_000 }],
    schedule: { daysBack: 0 },
  });
  expect(code).toBe(1);
  const problems = ['fees.0.accountId: is not an account id', 'fees.0.perTenThousand: ', 'schedule.daysBack: '];
  for (const problem of problems) expect(output).toContain(`\n  ${problem}`);
  expect(output).toContain(`reconciler cannot start: ${problems.length} problems in `);
});

test('a schedule without a Redis that carries it is a wrong configuration', async () => {
  const { code, output } = await start({ redis: undefined });
  expect(code).toBe(1);
  expect(output).toContain('\n  schedule: needs redis');
});
