import { connect } from 'node:net';
import { Metadata, status } from '@grpc/grpc-js';
import { systemClock } from '@tillmesh/clock';
import { describe, expect, test } from 'vitest';
import { type CallContext, remainingMs, rpcErrors } from '../src/index.ts';
import { trailersOf } from '../src/rpc-error.ts';
import {
  aForeignClient,
  aQueryClient,
  aQueryServer,
  failureOf,
  foreignCall,
  PAYMENT,
  targetOf,
  uncaught,
} from './a-server.ts';

const LOUD = { ref: { case: 'orderNo', value: '2'.repeat(25) } } as const;
const DAY_MS = 86_400_000;

describe('headers that are too large', () => {
  for (const [what, fill] of [
    ['200 KB in one value', (metadata: Metadata) => metadata.set('x-large', 'a'.repeat(200_000))],
    [
      '500 pairs',
      (metadata: Metadata) => {
        for (let pair = 0; pair < 500; pair += 1) metadata.set(`x-${pair}`, 'a');
      },
    ],
  ] as const) {
    test(`(${what}) are refused, and everybody else is served before and after`, async () => {
      const escaped = uncaught();
      let calls = 0;
      const server = await aQueryServer(async () => {
        calls += 1;
        return {};
      });
      const metadata = new Metadata();
      fill(metadata);
      const hostile = aForeignClient(targetOf(server.port));
      const innocent = aQueryClient(targetOf(server.port));
      await innocent.getPayment({ payment: PAYMENT });
      const failure = await foreignCall(hostile, { metadata, deadlineMs: 5_000 });
      expect(failure?.isTransport).toBe(true);
      expect([status.INTERNAL, status.RESOURCE_EXHAUSTED, status.UNAVAILABLE, status.CANCELLED]).toContain(
        failure?.code,
      );
      await innocent.getPayment({ payment: PAYMENT });
      expect(await foreignCall(hostile, { deadlineMs: 5_000 })).toBeUndefined();
      expect(calls).toBe(3);
      expect(escaped).toEqual([]);
    });
  }

  test('are cut where the mesh reads them: a caller has a name of 128 characters at most', async () => {
    let seen: CallContext | undefined;
    const server = await aQueryServer(async (_request, call) => {
      seen = call;
      return {};
    });
    const metadata = new Metadata();
    for (const key of ['tillmesh-caller', 'tillmesh-merchant', 'tillmesh-priority', 'traceparent'])
      metadata.set(key, 'a'.repeat(4_000));
    expect(await foreignCall(aForeignClient(targetOf(server.port)), { metadata })).toBeUndefined();
    expect(seen).toMatchObject({ caller: 'a'.repeat(128), merchant: '', priority: 'list' });
  });
});

describe('a deadline', () => {
  test('of 30 days is 40 s to our own client, and the call is served', async () => {
    let leftMs = 0;
    const server = await aQueryServer(async (_request, call) => {
      leftMs = remainingMs(systemClock, call);
      return {};
    });
    await aQueryClient(targetOf(server.port), 30 * DAY_MS).getPayment({ payment: PAYMENT });
    expect(leftMs).toBeGreaterThan(30_000);
    expect(leftMs).toBeLessThanOrEqual(40_000);
  });

  test('of 20 days by a foreign client is 40 s as well', async () => {
    let leftMs = 0;
    const server = await aQueryServer(async (_request, call) => {
      leftMs = remainingMs(systemClock, call);
      return {};
    });
    expect(await foreignCall(aForeignClient(targetOf(server.port)), { deadlineMs: 20 * DAY_MS })).toBeUndefined();
    expect(leftMs).toBeGreaterThan(30_000);
    expect(leftMs).toBeLessThanOrEqual(40_000);
  });

  test('of 30 days by a foreign client, which grpc-js reads as one long past, is refused by name and nothing is done', async () => {
    let calls = 0;
    const server = await aQueryServer(async () => {
      calls += 1;
      return {};
    });
    const client = aForeignClient(targetOf(server.port));
    expect(await foreignCall(client, { deadlineMs: 30 * DAY_MS })).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
      reason: 'DEADLINE_TOO_SHORT',
    });
    expect(await foreignCall(client)).toBeUndefined();
    expect(calls).toBe(1);
  });

  test('that is past already is refused by name, and nothing is done', async () => {
    let calls = 0;
    const server = await aQueryServer(async () => {
      calls += 1;
      return {};
    });
    const failure = await failureOf(aQueryClient(targetOf(server.port)).getPayment({ payment: PAYMENT }, { capMs: 0 }));
    expect(failure).toMatchObject({ code: status.DEADLINE_EXCEEDED, reason: 'DEADLINE_TOO_SHORT' });
    expect(calls).toBe(0);
  });
});

describe('bytes that are no HTTP/2', () => {
  test('end their own connection and nothing else', async () => {
    const escaped = uncaught();
    const server = await aQueryServer(async () => ({}));
    const client = aQueryClient(targetOf(server.port));
    for (const bytes of [
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff',
      '\0'.repeat(500),
    ]) {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => {});
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.end(Buffer.from(bytes, 'latin1'));
      socket.resume();
      await closed;
    }
    await client.getPayment({ payment: PAYMENT });
    expect(escaped).toEqual([]);
  });
});

describe('an error of the handler', () => {
  for (const character of ['x', '中', '😀']) {
    test(`with a megabyte of ${character} in every part is cut, keeps its reason, and leaves the connection alone`, async () => {
      const long = character.repeat(1_000_000 / character.length);
      const release = Promise.withResolvers<void>();
      const server = await aQueryServer(async (request) => {
        if (request.payment?.ref.value !== LOUD.ref.value) {
          await release.promise;
          return {};
        }
        throw rpcErrors.paymentUnknown(long, {
          metadata: Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`${index}${long}`, long])),
          violations: Array.from({ length: 100 }, () => ({ field: long, description: long, reason: long })),
        });
      });
      const client = aQueryClient(targetOf(server.port), 5_000);
      const innocent = client.getPayment({ payment: PAYMENT });
      const failure = await failureOf(client.getPayment({ payment: LOUD }));
      expect(failure).toMatchObject({ code: status.NOT_FOUND, reason: 'PAYMENT_UNKNOWN' });
      expect(failure.message).toMatch(new RegExp(`^(?:${character})+…$`, 'u'));
      expect(Buffer.byteLength(failure.message)).toBeLessThanOrEqual(600);
      expect(failure.violations.length).toBeGreaterThan(0);
      // What the strictest of the usual clients takes (gRPC for Java: 8 KB of headers).
      const trailers = trailersOf(failure).get('grpc-status-details-bin')[0] ?? '';
      expect(Buffer.from(trailers).toString('base64').length + encodeURIComponent(failure.message).length).toBeLessThan(
        8_000,
      );
      release.resolve();
      await innocent;
    });
  }

  test('that cannot be serialised as an answer is one INTERNAL answer', async () => {
    const escaped = uncaught();
    let broken = true;
    const server = await aQueryServer(async () => (broken ? { payment: { version: -1 } } : {}));
    const client = aQueryClient(targetOf(server.port), 5_000);
    expect(await failureOf(client.getPayment({ payment: PAYMENT }))).toMatchObject({ code: status.INTERNAL });
    broken = false;
    await client.getPayment({ payment: PAYMENT });
    expect(escaped).toEqual([]);
  });
});
