import { type ClientReadableStream, type ServiceError, status } from '@grpc/grpc-js';
import { systemClock } from '@tillmesh/clock';
import { service as healthService } from 'grpc-health-check';
import { describe, expect, test } from 'vitest';
import { isServing, serve } from '../src/index.ts';
import { aForeignClient, aQueryServer, QUIET, targetOf } from './a-server.ts';

const QUERY = 'tillmesh.query.v1.QueryService';
type Health = { readonly status: string };

const methodOf = (name: 'Check' | 'Watch') => healthService[name] ?? expect.fail(`health has no ${name}`);

const check = (port: number, service: string): Promise<string> =>
  new Promise((resolve) => {
    const { path, requestSerialize, responseDeserialize } = methodOf('Check');
    aForeignClient(targetOf(port)).makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service },
      (error: ServiceError | null, answer?: object) =>
        resolve(error === null ? (answer as Health).status : (status[error.code] ?? 'none')),
    );
  });

/** What a watcher has heard so far, and how its stream ended. */
const watch = (port: number, service: string) => {
  const { path, requestSerialize, responseDeserialize } = methodOf('Watch');
  const stream: ClientReadableStream<object> = aForeignClient(targetOf(port)).makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    { service },
  );
  const heard: string[] = [];
  stream.on('data', (message: Health) => heard.push(message.status));
  const ended = new Promise<string>((resolve) => {
    stream.on('error', (error: ServiceError) => resolve(status[error.code] ?? 'none'));
    stream.on('end', () => resolve('OK'));
  });
  return { heard, ended };
};

describe('health', () => {
  test('is told by the name of a service and for the server as a whole, and only while it is ready', async () => {
    const server = await aQueryServer(async () => ({}));
    for (const name of ['', QUERY]) expect(await check(server.port, name)).toBe('SERVING');
    server.setReady(false);
    for (const name of ['', QUERY]) expect(await check(server.port, name)).toBe('NOT_SERVING');
    server.setReady(true);
    for (const name of ['', QUERY]) expect(await check(server.port, name)).toBe('SERVING');
    expect(await check(server.port, 'tillmesh.cashier.v1.CashierService')).toBe('NOT_FOUND');
  });

  test('is not serving before the service says that it is ready', async () => {
    const server = await serve({ services: [], host: '127.0.0.1', port: 0, log: QUIET });
    expect(await check(server.port, '')).toBe('NOT_SERVING');
    expect(await isServing(targetOf(server.port))).toBe(false);
    server.setReady(true);
    expect(await isServing(targetOf(server.port))).toBe(true);
    await server.drain(100);
    expect(await isServing(targetOf(server.port))).toBe(false);
  });

  test('is watched: every change is told, and so is the beginning of a drain', async () => {
    const server = await aQueryServer(async () => ({}));
    const query = watch(server.port, QUERY);
    const unknown = watch(server.port, 'tillmesh.cashier.v1.CashierService');
    await expect.poll(() => query.heard).toEqual(['SERVING']);
    await expect.poll(() => unknown.heard).toEqual(['SERVICE_UNKNOWN']);
    server.setReady(false);
    server.setReady(true);
    await expect.poll(() => query.heard).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
    await server.drain(2_000);
    expect(await query.ended).toBe('OK');
    expect(query.heard.at(-1)).toBe('NOT_SERVING');
  });

  test('that is watched does not hold a drain up', async () => {
    const server = await aQueryServer(async () => ({}));
    const watcher = watch(server.port, '');
    await expect.poll(() => watcher.heard).toEqual(['SERVING']);
    const beganMs = systemClock.monotonicMs();
    await server.drain(5_000);
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(2_000);
  });

  test('is asked by name, as probes do', async () => {
    const server = await aQueryServer(async () => ({}));
    expect(await isServing(targetOf(server.port), QUERY)).toBe(true);
    expect(await isServing(targetOf(server.port), 'tillmesh.cashier.v1.CashierService')).toBe(false);
    expect(await isServing('127.0.0.1:1')).toBe(false);
  });
});
