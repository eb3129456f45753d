import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { inspect, promisify } from 'node:util';
import { createLog, startTelemetry, traceIdOf, withSpan } from '@tillmesh/telemetry';
import { afterEach, describe, expect, test } from 'vitest';
import { type OtlpReceiver, type SpanNode, startOtlpReceiver } from '../src/index.ts';

const toClose: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0)) await close();
});

const start = async (): Promise<OtlpReceiver> => {
  const receiver = await startOtlpReceiver();
  toClose.push(() => receiver.close());
  return receiver;
};

const SECRET = 'payer-4711';

/** Runs traced-program.ts under these variables; the answer is what it printed and how long it took. */
const run = async (
  env: Readonly<Record<string, string>>,
  words: { readonly service: string; readonly traceparent?: string },
): Promise<{ readonly traceparent: string; readonly tookMs: number }> => {
  const beganMs = performance.now();
  const argument = JSON.stringify({ traceparent: '', secret: SECRET, ...words });
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, 'traced-program.ts'), argument],
    { env: { PATH: process.env['PATH'], ...env }, timeout: 30_000 },
  );
  return { ...(JSON.parse(stdout) as { traceparent: string }), tookMs: performance.now() - beganMs };
};

const namesOf = ({ span, children }: SpanNode): string =>
  `${span.service}: ${span.name}[${children.map(namesOf).join(', ')}]`;

describe('the exporter that services start', () => {
  test('sends the spans of two processes that are one trace', async () => {
    const receiver = await start();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
    const cashier = await run(env, { service: 'cashier' });
    await run(env, { service: 'order-store', traceparent: cashier.traceparent });
    const tree = receiver.tree(traceIdOf(cashier.traceparent));
    expect(tree.roots.map(namesOf)).toEqual([
      'cashier: cashier works[cashier: a step that succeeds[order-store: order-store works[' +
        'order-store: a step that succeeds[], order-store: a step that fails[]]], cashier: a step that fails[]]',
    ]);
    expect(tree.orphans).toEqual([]);
    expect(tree.print()).toContain('a step that fails');
    expect(receiver.refused()).toEqual([]);
    expect(receiver.spans()).toHaveLength(6);
  });

  test("sends a failure's type and never its words", async () => {
    const receiver = await start();
    await run({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url }, { service: 'cashier' });
    const failed = receiver.spans().find(({ name }) => name === 'a step that fails');
    expect(failed).toMatchObject({
      status: { code: 'error', message: 'RangeError' },
      attributes: { 'error.type': 'RangeError' },
      kind: 'internal',
    });
    expect(inspect(receiver.spans(), { depth: 9 })).not.toContain(SECRET);
    expect(receiver.spans().find(({ name }) => name === 'cashier works')?.attributes).toEqual({ 'tillmesh.number': 7 });
  });

  test('sends gzip when it is told to', async () => {
    const receiver = await start();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' };
    await run(env, { service: 'cashier' });
    expect(receiver.spans()).toHaveLength(3);
    expect(receiver.refused()).toEqual([]);
  });

  for (const [what, envOf, spans] of [
    [
      "the traces' own address as it stands",
      (url: string) => ({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/v1/traces` }),
      3,
    ],
    ['a common address with a slash', (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/` }), 3],
    [
      'no new trace when the share is 0',
      (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_TRACES_SAMPLER_ARG: '0' }),
      0,
    ],
    [
      'nothing when it is disabled',
      (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_SDK_DISABLED: 'true' }),
      0,
    ],
    ['nothing without an address', () => ({}), 0],
  ] as const) {
    test(`takes ${what}`, async () => {
      const receiver = await start();
      await run(envOf(receiver.url), { service: 'cashier' });
      expect(receiver.spans()).toHaveLength(spans);
      expect(receiver.refused()).toEqual([]);
    });
  }

  test("records a caller's trace although its own share is 0, and leaves out what the caller left out", async () => {
    const receiver = await start();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_TRACES_SAMPLER_ARG: '0' };
    await run(env, { service: 'cashier', traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01` });
    await run(env, { service: 'cashier', traceparent: `00-${'e'.repeat(32)}-${'d'.repeat(16)}-00` });
    expect(new Set(receiver.spans().map(({ traceId }) => traceId))).toEqual(new Set(['c'.repeat(32)]));
  });
});

describe('a process that cannot send its spans ends all the same', () => {
  const hang = async (): Promise<string> => {
    const sockets = new Set<{ destroy(): void }>();
    const server: Server = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    toClose.push(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    const address = server.address();
    return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
  };

  for (const [what, urlOf] of [
    ['the collector accepts and never answers', hang],
    ['nobody listens', async () => 'http://127.0.0.1:1'],
    ['the address is no URL', async () => 'localhost:4318'],
  ] as const) {
    test(`when ${what}`, async () => {
      const { tookMs } = await run({ OTEL_EXPORTER_OTLP_ENDPOINT: await urlOf() }, { service: 'cashier' });
      // 3 s for what waits to be sent, the rest for Node to start on a busy machine.
      expect(tookMs).toBeLessThan(8_000);
    });
  }
});

test('the exporter sends where the given environment says, not where the environment of the process does', async () => {
  const receiver = await start();
  const stop = await startTelemetry({
    service: 'in-process',
    version: '1',
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url },
    log: createLog('test', 'silent'),
  });
  await withSpan('work', {}, async () => {});
  await stop();
  expect(receiver.spans()).toMatchObject([{ service: 'in-process', name: 'work' }]);
  // Off again: nothing is recorded, and nothing breaks.
  await withSpan('work after the end', {}, async () => {});
  expect(receiver.spans()).toHaveLength(1);
});
