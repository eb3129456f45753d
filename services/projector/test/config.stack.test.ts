import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-projector-'));
afterAll(() => rmSync(folder, { recursive: true }));

writeFileSync(join(folder, 'password'), 'secret\n');
writeFileSync(join(folder, 'row-key'), `${'0123456789abcdef'.repeat(4)}\n`);
const nowhere = { host: '127.0.0.1', port: 1 };
const good = {
  server: { port: 0 },
  orders: {
    map: { version: 1, groups: [{ tag: 1, endpoints: [nowhere] }] },
    user: 'read',
    password: 'password',
    rowKeys: { current: 1, keys: [{ id: 1, keyFile: 'row-key' }] },
  },
  store: { endpoints: [nowhere], user: 'lists', password: 'password' },
  redis: nowhere,
};

const start = (settings?: object | string) =>
  startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings, process.env);

test('a good configuration starts while every database and Redis are away, and stops in order', async () => {
  const { code, output } = await start(good);
  expect(output).toContain('"msg":"ready"');
  expect(output).toContain('"msg":"stopped"');
  expect(code).toBe(0);
});

test('a wrong configuration ends with exit status 1 and names every problem', async () => {
  const { code, output } = await start({ ...good, changesMax: 0, store: { ...good.store, database: 'a`b' } });
  expect(code).toBe(1);
  expect(output).toContain('projector cannot start: 2 problems in ');
  expect(output).toContain('\n  changesMax: ');
  expect(output).toContain('\n  store.database: ');
});
