import { connect, createServer, type Socket } from 'node:net';
import { type Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { systemClock } from '@tillmesh/clock';
import { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { describe, expect, onTestFinished, test } from 'vitest';
import { serviceDefinition } from '../src/method.ts';
import { aForeignClient, aQueryClient, aQueryServer, failureOf, foreignCall, PAYMENT, targetOf } from './a-server.ts';

/** Counts the connections that a port gets, until the test ends. */
const aCountingProxy = async (port: number): Promise<{ readonly port: number; readonly count: () => number }> => {
  const sockets = new Set<Socket>();
  let count = 0;
  const proxy = createServer((near) => {
    count += 1;
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });
  const address = proxy.address();
  if (typeof address !== 'object' || address === null) throw new TypeError('the proxy has no port');
  return { port: address.port, count: () => count };
};

/** A server of grpc-js that lets 4 streams through a connection; calls of `hangs` never end. */
const aNarrowServer = async (): Promise<number> => {
  const server = new Server({ 'grpc.max_concurrent_streams': 4 });
  server.addService(serviceDefinition(QueryService, 1_000), {
    getPayment: (call: { metadata: Metadata }, callback: (error: null, answer: object) => void) => {
      if (call.metadata.get('tillmesh-merchant')[0] !== 'hangs')
        callback(null, { $typeName: QueryService.method.getPayment.output.typeName });
    },
    listPayments: () => {},
    getTrajectory: () => {},
    watchMerchant: () => {},
  });
  onTestFinished(() => server.forceShutdown());
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
};

describe('two clients of one target', () => {
  test('have two connections', async () => {
    const server = await aQueryServer(async () => ({}));
    const proxy = await aCountingProxy(server.port);
    for (const client of [aQueryClient(targetOf(proxy.port)), aQueryClient(targetOf(proxy.port))]) {
      await client.getPayment({ payment: PAYMENT });
      await client.getPayment({ payment: PAYMENT });
    }
    expect(proxy.count()).toBe(2);
  });

  test('would have one without the option that says so', async () => {
    const server = await aQueryServer(async () => ({}));
    const proxy = await aCountingProxy(server.port);
    for (const client of [aForeignClient(targetOf(proxy.port)), aForeignClient(targetOf(proxy.port))]) {
      expect(await foreignCall(client)).toBeUndefined();
    }
    expect(proxy.count()).toBe(1);
  });

  test('do not wait for each other where a server lets few streams through a connection', async () => {
    const port = await aNarrowServer();
    const sick = aQueryClient(targetOf(port), 3_000);
    const well = aQueryClient(targetOf(port), 3_000);
    const abort = new AbortController();
    const hanging = Array.from({ length: 20 }, () =>
      failureOf(sick.getPayment({ payment: PAYMENT }, { merchant: 'hangs', signal: abort.signal })),
    );
    await systemClock.sleep(100);
    // Behind the hanging calls of its own client, a call waits where nobody sees it.
    const behind = failureOf(sick.getPayment({ payment: PAYMENT }, { capMs: 200 }));
    expect(await well.getPayment({ payment: PAYMENT })).toMatchObject({
      $typeName: 'tillmesh.query.v1.GetPaymentResponse',
    });
    expect(await behind).toMatchObject({ code: status.DEADLINE_EXCEEDED, isTransport: true });
    abort.abort();
    await Promise.all(hanging);
  });
});

describe('a server with as many calls under way as it takes', () => {
  test('refuses the next by name and at once, serves it when one has ended, and never lets a client wait unseen', async () => {
    const release = Promise.withResolvers<void>();
    let arrived = 0;
    const server = await aQueryServer(
      async () => {
        arrived += 1;
        await release.promise;
        return {};
      },
      { inFlightMax: 2 },
    );
    const client = aQueryClient(targetOf(server.port));
    const held = [client.getPayment({ payment: PAYMENT }), client.getPayment({ payment: PAYMENT })];
    await expect.poll(() => arrived).toBe(2);
    const refused = await Promise.all(
      Array.from({ length: 30 }, () => failureOf(client.getPayment({ payment: PAYMENT }))),
    );
    for (const failure of refused) {
      expect(failure).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'LANE_FULL', retryAfterMs: 200 });
    }
    expect(arrived).toBe(2);
    release.resolve();
    await Promise.all(held);
    await client.getPayment({ payment: PAYMENT });
    expect(arrived).toBe(3);
  });

  test('counts calls that were cancelled, refused or failed as ended', async () => {
    const hanging = Promise.withResolvers<never>();
    let arrived = 0;
    const server = await aQueryServer(
      (request) => {
        arrived += 1;
        return request.payment?.ref.value === '2'.repeat(25) ? hanging.promise : Promise.reject(new Error('x'));
      },
      { inFlightMax: 3 },
    );
    const client = aQueryClient(targetOf(server.port));
    for (let round = 0; round < 5; round += 1) {
      const abort = new AbortController();
      const cancelled = failureOf(
        client.getPayment({ payment: { ref: { case: 'orderNo', value: '2'.repeat(25) } } }, { signal: abort.signal }),
      );
      const before = arrived;
      await expect.poll(() => arrived).toBe(before + 1);
      abort.abort();
      await cancelled;
      await failureOf(client.getPayment({ payment: PAYMENT }));
      await failureOf(client.getPayment({}));
      await failureOf(client.getPayment({ payment: PAYMENT }, { capMs: 1 }));
    }
    await expect.poll(async () => (await failureOf(client.getPayment({ payment: PAYMENT }))).reason).toBe('INTERNAL');
    const three = await Promise.all([0, 1, 2].map(() => failureOf(client.getPayment({ payment: PAYMENT }))));
    expect(three.map(({ reason }) => reason)).toEqual(['INTERNAL', 'INTERNAL', 'INTERNAL']);
  });
});
