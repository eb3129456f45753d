import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { aReading, startLaneProcess } from './a-lane-process.ts';
import { startWatch } from './a-watch.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-watch-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const start = (settings?: object | string) =>
  startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings, process.env);

test('a good configuration starts while every process is away, serves and stops in order', async () => {
  const { code, output } = await start({
    server: { port: 0 },
    http: { port: 0 },
    processes: [
      { service: 'cashier', target: 'ipv4:127.0.0.1:1,127.0.0.1:2' },
      { service: 'edge', target: 'dns:///no-such-name.invalid:7100' },
    ],
  });
  expect(output).toContain('"msg":"lanes are shown"');
  expect(output).toContain('"msg":"ready"');
  expect(output).toContain('"msg":"stopped"');
  expect(code).toBe(0);
});

test('a wrong configuration ends with exit status 1 and names every problem with what to set', async () => {
  const { code, output } = await start({
    server: { port: 0 },
    http: { port: 70_000, clientsMax: 0 },
    processes: [{ service: '', target: 'nowhere' }],
  });
  expect(code).toBe(1);
  for (const setting of ['http.port', 'http.clientsMax', 'processes.0.service', 'processes.0.target']) {
    expect(output).toContain(`\n  ${setting}: `);
  }
  expect(output).toContain('watch cannot start: 4 problems in ');
});

test('processes are followed and forgotten as the configuration changes; one that cannot be read changes nothing', async () => {
  const cashier = await startLaneProcess({ instance: 'cashier-1', readings: [aReading('order-store')] });
  onTestFinished(() => cashier.stop());
  const watch = await startWatch([], process.env);
  onTestFinished(() => watch.stop());
  const events = async () => {
    const { body } = await fetch(`${watch.url}hystrix.stream`);
    // Leaving the loop ends the stream.
    for await (const part of body ?? []) return Buffer.from(part).toString();
    return '';
  };
  expect(await events()).toBe('ping: \n\n');
  watch.configure([{ service: 'cashier', target: cashier.address }]);
  await expect.poll(events, { timeout: 15_000 }).toContain('cashier.order-store');
  watch.configure([{ service: 'cashier', target: 'nowhere' }]);
  await systemClock.sleep(2_500);
  expect(await events()).toContain('cashier.order-store');
  watch.configure([]);
  await expect.poll(events, { timeout: 15_000 }).toBe('ping: \n\n');
});
