import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@tillmesh/clock';
import { createLog } from '@tillmesh/telemetry';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Alarms, type AlarmsConfig, createAlarms } from '../src/index.ts';

type Pushed = {
  readonly alerts: readonly { readonly status: string; readonly labels: object; readonly endsAt: string }[];
};

let server: Server;
let status = 200;
let bodies: unknown[] = [];
let alarms: Alarms | undefined;

beforeEach(async () => {
  status = 200;
  bodies = [];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (status === 200) bodies.push(JSON.parse(Buffer.concat(chunks).toString()));
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  await alarms?.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const open = (changes: Partial<AlarmsConfig> = {}): Alarms => {
  const { port } = server.address() as AddressInfo;
  const config = {
    url: `http://127.0.0.1:${port}/hook`,
    format: 'webhook',
    repeatEveryMs: 60_000,
    ...changes,
  } as const;
  alarms = createAlarms({ service: 'syncer', config, clock: systemClock, log: createLog('test', 'silent') });
  return alarms;
};

const UNFINISHED = {
  name: 'payment_unfinished',
  severity: 'urgent',
  labels: { order_no: '1' },
  summary: 'still open',
} as const;
const within = { timeout: 8_000 };

test('what is raised is pushed at once as Alertmanager calls its receivers, raised again it is not, and its end is told', async () => {
  const raising = open();
  raising.raise(UNFINISHED);
  await expect.poll(() => bodies.length, within).toBe(1);
  expect(bodies[0]).toMatchObject({
    version: '4',
    status: 'firing',
    groupLabels: { service: 'syncer' },
    alerts: [
      {
        status: 'firing',
        labels: { alertname: 'payment_unfinished', severity: 'urgent', service: 'syncer', order_no: '1' },
        annotations: { summary: 'still open' },
        endsAt: '0001-01-01T00:00:00Z',
      },
    ],
  });
  raising.raise(UNFINISHED);
  await systemClock.sleep(1_200);
  expect(bodies).toHaveLength(1);
  raising.end(UNFINISHED);
  await expect.poll(() => bodies.length, within).toBe(2);
  expect(bodies[1]).toMatchObject({ status: 'resolved', alerts: [{ status: 'resolved' }] });
  expect((bodies[1] as Pushed).alerts[0]?.endsAt).not.toBe('0001-01-01T00:00:00Z');
});

test('a receiver that is away, or sends elsewhere, is told again until it has heard: the end as well', async () => {
  const raising = open();
  status = 503;
  raising.raise(UNFINISHED);
  await systemClock.sleep(900);
  raising.end(UNFINISHED);
  status = 302;
  await systemClock.sleep(1_500);
  expect(bodies).toEqual([]);
  status = 200;
  await expect.poll(() => bodies.length, within).toBe(1);
  expect(bodies[0]).toMatchObject({ alerts: [{ status: 'resolved' }] });
}, 20_000);

test('as a client of an Alertmanager it says until when an alarm may be believed, and says so again', async () => {
  open({ format: 'alertmanager', repeatEveryMs: 1_000 }).raise(UNFINISHED);
  await expect.poll(() => bodies.length, within).toBeGreaterThanOrEqual(2);
  const [first, second] = bodies as { readonly endsAt: string }[][];
  expect(first?.[0]).toMatchObject({ labels: { alertname: 'payment_unfinished' } });
  expect(Date.parse(second?.[0]?.endsAt ?? '')).toBeGreaterThan(Date.parse(first?.[0]?.endsAt ?? ''));
});

test('without anywhere to push to alarms are kept for who asks', async () => {
  alarms = createAlarms({ service: 'syncer', config: undefined, clock: systemClock, log: createLog('test', 'silent') });
  alarms.raise(UNFINISHED);
  expect(alarms.standing()).toMatchObject([{ name: 'payment_unfinished', times: 1 }]);
});
