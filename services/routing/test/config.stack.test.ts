import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-routing-'));
afterAll(() => rmSync(folder, { recursive: true }));

const start = (settings?: object | string) =>
  startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings, process.env);

const tableFile = join(folder, 'table.json');
const stateFile = join(folder, 'switches.json');
const good = { server: { port: 0 }, tableFile, stateFile, orderStore: { target: '127.0.0.1:1' } };

test('a good configuration starts without any neighbour, serves and stops in order', async () => {
  writeFileSync(tableFile, JSON.stringify({ merchants: [], accounts: [] }));
  const { code, output } = await start(good);
  expect(output).toContain('"msg":"ready"');
  expect(output).toContain('"msg":"stopped"');
  expect(code).toBe(0);
});

test('a wrong table ends with exit status 1 and names every problem', async () => {
  const account = {
    accountId: 'a',
    channelId: 'c',
    wallets: ['wechat'],
    kinds: ['jsapi'],
    currencies: ['CNY'],
    amountMax: 0,
  };
  const merchant = { merchantId: 'm', accountIds: ['nowhere'] };
  writeFileSync(tableFile, JSON.stringify({ merchants: [merchant], accounts: [account] }));
  const { code, output } = await start(good);
  expect(code).toBe(1);
  expect(output).toContain(`routing cannot start: 2 problems in ${tableFile}`);
  expect(output).toContain('\n  accounts.0.amountMax: ');
  expect(output).toContain('\n  merchants.0.accountIds: there is no account nowhere');
  expect(output).not.toContain('"stack"');
  expect(output).not.toMatch(/^\s+at /m);
});

test('operators’ switches that cannot be read end it: it must not forget who was switched off', async () => {
  writeFileSync(tableFile, JSON.stringify({ merchants: [], accounts: [] }));
  writeFileSync(stateFile, '{"switches":{"wechat-a":{"enabled":"no"}}}');
  const { code, output } = await start(good);
  rmSync(stateFile);
  expect(code).toBe(1);
  expect(output).toContain(`problems in ${stateFile}`);
  expect(output).toContain('switches.wechat-a.enabled: ');
});

test('a table that is not there ends with exit status 1 and says where it was looked for', async () => {
  const { code, output } = await start({ ...good, tableFile: join(folder, 'missing.json') });
  expect(code).toBe(1);
  expect(output).toContain(join(folder, 'missing.json'));
});

test('a wrong configuration ends with exit status 1 and names every problem with what to set, and nothing else', async () => {
  const { code, output } = await start({
    server: { port: 0, inFlightMax: 0 },
    tableFile: '',
    orderStore: { target: '' },
    reloadEveryMs: 1,
  });
  expect(code).toBe(1);
  const problems = [
    'server.inFlightMax: ',
    'tableFile: ',
    'stateFile: is missing',
    'orderStore.target: is not host:port',
    'reloadEveryMs: ',
  ];
  for (const problem of problems) expect(output).toContain(`\n  ${problem}`);
  expect(output).toContain(`routing cannot start: ${problems.length} problems in `);
  expect(output).not.toMatch(/^\s+at /m);
});

test.each([
  ['without a configuration', undefined, 'TILLMESH_CONFIG: is missing'],
  ['with a file that is no JSON', '{ "server": ', '(the whole file): '],
])('%s it ends with exit status 1 and says what is missing', async (_what, settings, problem) => {
  const { code, output } = await start(settings);
  expect(code).toBe(1);
  expect(output).toContain(`routing cannot start: 1 problem in `);
  expect(output).toContain(problem);
  expect(output).not.toMatch(/^\s+at /m);
});
