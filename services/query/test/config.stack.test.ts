import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-query-'));
afterAll(() => rmSync(folder, { recursive: true }));

const start = (settings?: object | string) =>
  startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings, process.env);

writeFileSync(join(folder, 'password'), 'secret\n');
writeFileSync(join(folder, 'row-key'), `${'0123456789abcdef'.repeat(4)}\n`);
const rowKeys = { current: 1, keys: [{ id: 1, keyFile: 'row-key' }] };
const nowhere = (tag: number) => ({ tag, endpoints: [{ host: '127.0.0.1', port: tag }] });

test('a good configuration starts while every database is away, serves and stops in order', async () => {
  const { code, output } = await start({
    server: { port: 0 },
    orders: { map: { version: 1, groups: [nowhere(1)] }, user: 'read', password: 'password', rowKeys },
  });
  expect(output).toContain('"msg":"ready"');
  expect(output).toContain('"msg":"stopped"');
  expect(code).toBe(0);
});

test('a wrong configuration ends with exit status 1 and names every problem with what to set, and nothing else', async () => {
  const { code, output } = await start({
    server: { port: 0, reflection: 'yes' },
    orders: {
      map: { version: 1, groups: [nowhere(1), nowhere(1)] },
      user: 'read',
      password: 'password',
      rowKeys,
      workerId: 1,
      waitMsMax: 0,
    },
  });
  expect(code).toBe(1);
  const problems = [
    'server.reflection: ',
    'orders.workerId: is not a setting; a typing error?',
    'orders.map.groups: group tag 1 is listed twice',
    'orders.map.groups: the server 127.0.0.1:1 is listed twice',
    'orders.waitMsMax: ',
  ];
  for (const problem of problems) expect(output).toContain(`\n  ${problem}`);
  expect(output).toContain(`query cannot start: ${problems.length} problems in `);
  expect(output).not.toMatch(/^\s+at /m);
});

test.each([
  ['without a configuration', undefined, 'TILLMESH_CONFIG: is missing'],
  ['with a file that is no JSON', '{ "server": ', '(the whole file): '],
])('%s it ends with exit status 1 and says what is missing', async (_what, settings, problem) => {
  const { code, output } = await start(settings);
  expect(code).toBe(1);
  expect(output).toContain(`query cannot start: 1 problem in `);
  expect(output).toContain(problem);
  expect(output).not.toMatch(/^\s+at /m);
});
