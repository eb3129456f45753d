import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-order-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

const start = (settings?: object | string, untilSaid?: string) =>
  startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings, process.env, untilSaid);

writeFileSync(join(folder, 'password'), 'secret\n');
writeFileSync(join(folder, 'row-key'), `${'0123456789abcdef'.repeat(4)}\n`);
const rowKeys = { current: 1, keys: [{ id: 1, keyFile: 'row-key' }] };
const nowhere = (tag: number) => ({ tag, endpoints: [{ host: '127.0.0.1', port: tag }] });

test('while every database is away it says what it waits for, is not ready, and stops in order', async () => {
  const { code, output } = await start(
    {
      server: { port: 0 },
      orders: { map: { version: 1, groups: [nowhere(1), nowhere(2)] }, user: 'app', password: 'password', rowKeys },
    },
    'no order can be written yet',
  );
  expect(output).toContain('waits for group 1 (no single writable node), group 2 (no single writable node)');
  expect(output).not.toContain('"msg":"ready"');
  expect(output).toContain('"msg":"stopped"');
  expect(code).toBe(0);
});

test('a wrong configuration ends with exit status 1 and names every problem with what to set, and nothing else', async () => {
  const { code, output } = await start({
    server: { port: 0 },
    orders: {
      map: { version: 0, groups: [nowhere(1), { ...nowhere(2), state: 'ajar' }, { tag: 200, endpoints: [] }] },
      user: '',
      password: 'nowhere',
      rowKeys: { current: 2, keys: [{ id: 1, keyFile: 'password' }] },
      workerId: 1,
      homeMsMax: 901,
      statementMsMax: 1_001,
      connectionsMax: 0,
    },
  });
  expect(code).toBe(1);
  const problems = [
    'orders.map.version: ',
    'orders.map.groups.1.state: ',
    'orders.map.groups.2.tag: ',
    'orders.map.groups.2.endpoints: ',
    'orders.user: ',
    'orders.password: the file nowhere cannot be read',
    'orders.workerId: is not a setting; a typing error?',
    'orders.rowKeys.keys.0.keyFile: is not at least 32 bytes as hex',
    'orders.rowKeys.current: key 2 is not among the keys',
    'orders.homeMsMax: ',
    'orders.statementMsMax: ',
    'orders.connectionsMax: ',
  ];
  for (const problem of problems) expect(output).toContain(`\n  ${problem}`);
  expect(output).toContain(`order-store cannot start: ${problems.length} problems in `);
  expect(output).not.toMatch(/^\s+at /m);
});

test('connections that do not fit into what a server takes are refused with the sum', async () => {
  const { code, output } = await start({
    server: { port: 0 },
    orders: {
      map: { version: 1, groups: [nowhere(1)] },
      user: 'app',
      password: 'password',
      rowKeys,
      connectionsMax: 60,
    },
  });
  expect(code).toBe(1);
  expect(output).toContain('2 instances × 60 connections + 64 of others + 20 reserved = 204 of 200');
});

test.each([
  ['without a configuration', undefined, 'TILLMESH_CONFIG: is missing'],
  ['with a file that is no JSON', '{ "server": ', '(the whole file): '],
])('%s it ends with exit status 1 and says what is missing', async (_what, settings, problem) => {
  const { code, output } = await start(settings);
  expect(code).toBe(1);
  expect(output).toContain(`order-store cannot start: 1 problem in `);
  expect(output).toContain(problem);
  expect(output).not.toMatch(/^\s+at /m);
});
