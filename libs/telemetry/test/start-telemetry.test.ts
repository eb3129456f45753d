import { Writable } from 'node:stream';
import pino from 'pino';
import { describe, expect, test } from 'vitest';
import { isTracingOn, startTelemetry } from '../src/index.ts';

/** Starts telemetry under these variables; the answer is what it logged. That spans arrive is shown in libs/testing. */
const start = async (env: Readonly<Record<string, string>>): Promise<readonly string[]> => {
  const lines: string[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(String((JSON.parse(chunk.toString()) as { msg: unknown }).msg));
      done();
    },
  });
  const stop = await startTelemetry({ service: 'cashier', version: '1', env, log: pino(stream) });
  await stop();
  return lines;
};

describe('tracing stays off', () => {
  for (const [why, env] of [
    ['without an address', {}],
    ['with an empty address', { OTEL_EXPORTER_OTLP_ENDPOINT: '', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: '' }],
    ['when it is disabled', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' }],
  ] as const) {
    test(`${why}, and says nothing`, async () => {
      expect(await start(env)).toEqual([]);
      expect(isTracingOn()).toBe(false);
    });
  }

  for (const address of ['localhost:4318', '127.0.0.1:4318', 'grpc://127.0.0.1:4317', 'not an address']) {
    test(`with the address ${address}, and says what to set`, async () => {
      expect(await start({ OTEL_EXPORTER_OTLP_ENDPOINT: address })).toEqual([
        'tracing is off: OTEL_EXPORTER_OTLP_ENDPOINT is not an http or https URL',
      ]);
      expect(isTracingOn()).toBe(false);
    });
  }
});
