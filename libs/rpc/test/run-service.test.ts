import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { isServing } from '../src/index.ts';
import { aQueryClient, failureOf, PAYMENT, targetOf } from './a-server.ts';

type Line = {
  readonly msg: string;
  readonly port?: number;
  readonly metricsPort?: number;
  readonly probePort?: number;
  readonly why?: string;
  readonly level: string;
};

/** A port that nobody listens on. */
const aFreePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

/** Starts service-program.ts, until the test ends. */
const start = (behaviour: string, probePort = 0) => {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'service-program.ts')], {
    env: { PATH: process.env['PATH'], TEST_BEHAVIOUR: behaviour, TEST_PROBE_PORT: String(probePort) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: Line[] = [];
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  if (child.stdout === null) throw new TypeError('the child has no output');
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line) as Line));
  const exited = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'none'));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const ready = async (): Promise<Line> => {
    await expect.poll(() => lines.some(({ msg }) => msg === 'ready'), { timeout: 15_000 }).toBe(true);
    return lines.find(({ msg }) => msg === 'ready') ?? expect.fail('it is ready');
  };
  const stop = (signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM') => child.kill(signal);
  const databaseComes = () => child.kill('SIGUSR2');
  return { lines, databaseComes, errors: () => errors, exited, ready, stop };
};

describe('the process of a service', () => {
  test('goes on after errors that nobody caught, tells of each, and serves the next call', async () => {
    const service = start('good');
    const { port = 0, metricsPort = 0 } = await service.ready();
    const client = aQueryClient(targetOf(port));
    const mischief = ['throws-later', 'rejects-later', 'emits-error', 'throws-text'];
    for (const merchant of mischief) {
      expect((await client.getPayment({ payment: PAYMENT }, { merchant })).payment?.subject).toBe(merchant);
    }
    expect((await client.getPayment({ payment: PAYMENT }, { merchant: 'good' })).payment?.subject).toBe('good');
    await expect.poll(() => service.lines.filter(({ level }) => level === 'fatal').length).toBe(mischief.length);
    const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(metrics).toContain('tillmesh_escaped_errors_total{kind="exception"} 3');
    expect(metrics).toContain('tillmesh_escaped_errors_total{kind="rejection"} 1');
    expect(metrics).toMatch(
      /rpc_server_call_duration_seconds_count\{rpc_method="tillmesh.query.v1.QueryService\/GetPayment",rpc_status_code="OK"\} 5/,
    );
    expect(await isServing(targetOf(port))).toBe(true);
  }, 30_000);

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`lets the calls under way end on ${signal}, closes what it opened, and exits with 0`, async () => {
      const service = start('good');
      const { port = 0 } = await service.ready();
      const client = aQueryClient(targetOf(port));
      await client.getPayment({ payment: PAYMENT });
      const underWay = client.getPayment({ payment: PAYMENT }, { merchant: 'slow' });
      await expect.poll(() => isServing(targetOf(port))).toBe(true);
      service.stop(signal);
      // The second, of an impatient person, changes nothing.
      await expect.poll(() => service.lines.some(({ msg }) => msg === 'draining')).toBe(true);
      service.stop(signal);
      expect((await underWay).payment?.subject).toBe('slow');
      expect(await service.exited).toBe(0);
      // pino writes its last line past those that are still on their way: all of them came, the order of the last says nothing.
      const last = service.lines.map(({ msg }) => msg).slice(-3);
      expect(new Set(last)).toEqual(new Set(['draining', 'closed everything', 'stopped']));
      expect(await failureOf(client.getPayment({ payment: PAYMENT }, { capMs: 200 }))).toMatchObject({
        isTransport: true,
      });
    }, 30_000);
  }

  test('answers probes by name on a port of its own: one that waits for its database is alive, not ready, and says why', async () => {
    const probePort = await aFreePort();
    const service = start('waits', probePort);
    const probe = async () => {
      const [startup, readiness, liveness] = await Promise.all(
        ['startup', 'readiness', 'liveness'].map((name) => isServing(targetOf(probePort), name)),
      );
      return { startup, readiness, liveness };
    };
    const whys = () => service.lines.filter(({ msg }) => msg === 'not ready').map(({ why }) => why);
    await expect.poll(probe, { timeout: 15_000 }).toEqual({ startup: true, readiness: false, liveness: true });
    await expect.poll(whys, { timeout: 5_000 }).toEqual(['the database at db-1:3306 does not answer']);
    service.databaseComes();
    await expect.poll(probe).toEqual({ startup: true, readiness: true, liveness: true });

    const { port = 0 } = await service.ready();
    const client = aQueryClient(targetOf(port));
    const underWay = client.getPayment({ payment: PAYMENT }, { merchant: 'slow' });
    await client.getPayment({ payment: PAYMENT }, { merchant: 'loses-database' });
    await expect.poll(probe, { timeout: 5_000 }).toEqual({ startup: true, readiness: false, liveness: true });
    // Who knows the instance may still call it: it is taken out of rotation, and not ended.
    expect(await isServing(targetOf(port))).toBe(true);
    expect((await underWay).payment?.subject).toBe('slow');
    await expect.poll(whys, { timeout: 5_000 }).toContain('the database has gone');

    const last = client.getPayment({ payment: PAYMENT }, { merchant: 'slow' });
    await expect.poll(() => isServing(targetOf(port))).toBe(true);
    service.stop();
    await expect.poll(() => service.lines.some(({ msg }) => msg === 'draining')).toBe(true);
    // A probe that failed while the last calls end would have the process killed in the middle of them.
    expect(await probe()).toEqual({ startup: true, readiness: false, liveness: true });
    await last;
    expect(await service.exited).toBe(0);
  }, 60_000);

  test('tells how many calls are under way, for autoscaling', async () => {
    const service = start('good');
    const { port = 0, metricsPort = 0 } = await service.ready();
    const client = aQueryClient(targetOf(port));
    const underWay = [1, 2].map(() => client.getPayment({ payment: PAYMENT }, { merchant: 'slow' }));
    const metrics = async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    await expect.poll(metrics).toMatch(/^tillmesh_rpc_in_flight\{\} 2$/m);
    await Promise.all(underWay);
    expect(await metrics()).toMatch(/^tillmesh_rpc_in_flight\{\} 0$/m);
    expect(await metrics()).toMatch(/^tillmesh_rpc_in_flight_max\{\} 64$/m);
  }, 30_000);

  test('exits with 1 and tells every problem of its configuration', async () => {
    const service = start('bad_config');
    expect(await service.exited).toBe(1);
    expect(service.errors()).toBe(
      'test-service cannot start: 2 problems in test.json\n  server.port: is missing\n  colour: is not a setting\n',
    );
  }, 30_000);

  for (const [behaviour, why] of [
    ['build_fails', 'no database'],
    ['begin_fails', 'no schema'],
  ] as const) {
    test(`exits with 1 and says why when it cannot start: ${why}`, async () => {
      const service = start(behaviour);
      expect(await service.exited).toBe(1);
      expect(service.errors()).toContain(`test-service cannot start: ${why}`);
      expect(service.lines.some(({ msg }) => msg === 'ready')).toBe(false);
    }, 30_000);
  }

  for (const [behaviour, what] of [
    ['end_fails', 'fails to close what it opened'],
    ['end_hangs', 'never finishes closing what it opened'],
  ] as const) {
    test(`exits with 1 when it ${what}: nothing waits for it for ever`, async () => {
      const service = start(behaviour);
      await service.ready();
      service.stop();
      expect(await service.exited).toBe(1);
      expect(service.lines.map(({ msg }) => msg)).toContain('could not stop in order');
    }, 30_000);
  }
});
