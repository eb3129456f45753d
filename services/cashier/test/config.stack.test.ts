import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-cashier-'));
afterAll(() => rmSync(folder, { recursive: true }));

const start = (settings?: object | string) =>
  startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings, process.env);

test('a wrong configuration ends with exit status 1 and names every problem with what to set, and nothing else', async () => {
  const { code, output } = await start({
    server: { port: 70_000 },
    logLevel: 'loud',
    orderStore: { target: 'http://order-store' },
    routing: { target: '127.0.0.1:1', snapshotFile: '' },
    channels: [
      { channelId: 'WeChat', target: '127.0.0.1:1' },
      { channelId: 'alipay', target: '127.0.0.1:1' },
      { channelId: 'alipay', target: '127.0.0.1:2' },
    ],
    redis: { host: '127.0.0.1', port: 1, timeoutMs: 51 },
    notifyBaseUrl: 'https://pay.example/',
    typo: true,
  });
  expect(code).toBe(1);
  const problems = [
    'server.port: ',
    'logLevel: ',
    'orderStore.target: is not host:port',
    'routing.snapshotFile: ',
    'channels.0.channelId: is not a channel id',
    'channels: channel alipay is listed twice',
    'redis.timeoutMs: ',
    'notifyBaseUrl: is not an http(s) address without query and without a slash at its end',
    'typo: is not a setting; a typing error?',
  ];
  for (const problem of problems) expect(output).toContain(`\n  ${problem}`);
  expect(output).toContain(`cashier cannot start: ${problems.length} problems in `);
  expect(output).not.toMatch(/^\s+at /m);
});

test.each([
  ['without a configuration', undefined, 'TILLMESH_CONFIG: is missing'],
  ['with a file that is no JSON', '{ "server": ', '(the whole file): '],
])('%s it ends with exit status 1 and says what is missing', async (_what, settings, problem) => {
  const { code, output } = await start(settings);
  expect(code).toBe(1);
  expect(output).toContain(`cashier cannot start: 1 problem in `);
  expect(output).toContain(problem);
  expect(output).not.toMatch(/^\s+at /m);
});
