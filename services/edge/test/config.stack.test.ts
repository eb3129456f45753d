import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-edge-'));
afterAll(() => rmSync(folder, { recursive: true }));

const start = (settings?: object | string) =>
  startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings, process.env);

test('a good configuration starts without any neighbour, serves and stops in order', async () => {
  const { code, output } = await start({
    server: { port: 0 },
    http: { port: 0 },
    orderStore: { target: '127.0.0.1:1' },
    channels: [{ channelId: 'wechat', target: '127.0.0.1:1' }],
  });
  expect(output).toContain('"msg":"ready"');
  expect(output).toContain('"msg":"stopped"');
  expect(code).toBe(0);
});

test('a wrong configuration ends with exit status 1 and names every problem with what to set, and nothing else', async () => {
  const { code, output } = await start({
    server: { port: 0, drainMs: -1 },
    http: { bodyBytesMax: 10, requestsMax: 0 },
    orderStore: { target: 'order-store' },
    channels: [
      { channelId: 'wechat', target: '127.0.0.1:1' },
      { channelId: 'wechat', target: '127.0.0.1:2' },
    ],
  });
  expect(code).toBe(1);
  const problems = [
    'server.drainMs: ',
    'http.port: is missing',
    'http.bodyBytesMax: ',
    'http.requestsMax: ',
    'orderStore.target: is not host:port',
    'channels: channel wechat is listed twice',
  ];
  for (const problem of problems) expect(output).toContain(`\n  ${problem}`);
  expect(output).toContain(`edge cannot start: ${problems.length} problems in `);
  expect(output).not.toMatch(/^\s+at /m);
});

test.each([
  ['without a configuration', undefined, 'TILLMESH_CONFIG: is missing'],
  ['with a file that is no JSON', '{ "server": ', '(the whole file): '],
])('%s it ends with exit status 1 and says what is missing', async (_what, settings, problem) => {
  const { code, output } = await start(settings);
  expect(code).toBe(1);
  expect(output).toContain(`edge cannot start: 1 problem in `);
  expect(output).toContain(problem);
  expect(output).not.toMatch(/^\s+at /m);
});
