import { startTelemetry } from '@tillmesh/telemetry';
import { startOtlpReceiver } from '@tillmesh/testing';
import { expect, onTestFinished, test } from 'vitest';
import { type RpcError, rpcErrors } from '../src/index.ts';
import { aQueryClient, aQueryServer, failureOf, PAYMENT, QUIET, targetOf } from './a-server.ts';

/** What a caller hears of a handler that fails, call by call. */
const failuresWith = async (...bugs: readonly Error[]): Promise<RpcError[]> => {
  const left = [...bugs];
  const server = await aQueryServer(async () => {
    throw left.shift() ?? new Error('no bug is left');
  });
  const client = aQueryClient(targetOf(server.port));
  const failures = [];
  for (const _bug of bugs) failures.push(await failureOf(client.getPayment({ payment: PAYMENT })));
  return failures;
};

test('a bug of the service is told with the trace in which it is found', async () => {
  const receiver = await startOtlpReceiver();
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
  const stopTelemetry = await startTelemetry({ service: 'test', version: '0.1.0', env, log: QUIET });
  onTestFinished(() => receiver.close());
  const failures = await failuresWith(new TypeError('x is undefined'), rpcErrors.internal('half an answer'));
  await stopTelemetry();
  const failedIn = receiver.spans().filter(({ kind, status }) => kind === 'server' && status.code === 'error');
  expect(failures.map(({ reason }) => reason)).toEqual(['INTERNAL', 'INTERNAL']);
  expect(failures.map(({ metadata }) => metadata['trace_id'])).toEqual(failedIn.map(({ traceId }) => traceId));
});

test('where nothing is traced there is no trace to name', async () => {
  const [failure] = await failuresWith(new TypeError('x is undefined'));
  expect({ ...failure?.metadata }).toEqual({});
  expect(failure?.reason).toBe('INTERNAL');
});
