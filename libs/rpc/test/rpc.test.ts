import { create } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { systemClock } from '@tillmesh/clock';
import { GetPaymentRequestSchema, QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import {
  RoutingService,
  type WatchRoutingTableResponse,
} from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { createLog } from '@tillmesh/telemetry';
import { afterEach, expect, test } from 'vitest';
import {
  bind,
  createClient,
  currentCall,
  type Implementation,
  notYet,
  notYetStream,
  type RpcClient,
  type RpcError,
  type RpcServer,
  remainingMs,
  rpcErrors,
  runAsCall,
  serve,
} from '../src/index.ts';

const log = createLog('test', 'silent');
const ORDER_NO = '1'.repeat(25);
const PAYMENT = { ref: { case: 'orderNo', value: ORDER_NO } } as const;
const toClose: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

const startQuery = async (
  getPayment: Implementation<typeof QueryService>['getPayment'],
  options: Partial<Parameters<typeof serve>[0]> = {},
): Promise<{ server: RpcServer; client: RpcClient<typeof QueryService> }> => {
  const server = await serve({
    services: [
      bind(QueryService, {
        getPayment,
        listPayments: notYet('ListPayments'),
        getTrajectory: notYet('GetTrajectory'),
        watchMerchant: notYetStream('WatchMerchant'),
      }),
    ],
    host: '127.0.0.1',
    port: 0,
    log,
    ...options,
  });
  server.setReady(true);
  const client = createClient(QueryService, { target: `127.0.0.1:${server.port}`, caller: 'test', capMs: 5_000 });
  toClose.push(
    () => server.drain(200),
    () => client.close(),
  );
  return { server, client };
};

const failureOf = async (promise: Promise<unknown>): Promise<RpcError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'RpcError' });
  return error as RpcError;
};

test('answers a call with what the handler returned', async () => {
  const { client } = await startQuery(async () => ({ payment: { orderNo: ORDER_NO, version: 3 } }));
  const { payment } = await client.getPayment({ payment: PAYMENT });
  expect(payment).toMatchObject({ orderNo: ORDER_NO, version: 3 });
});

test('names every wrong field of a request, and does not run the handler', async () => {
  let calls = 0;
  const { client } = await startQuery(async () => {
    calls += 1;
    return {};
  });
  const failure = await failureOf(client.getPayment({ payment: { ref: { case: 'orderNo', value: '12' } } }));
  expect(failure).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'REQUEST_INVALID' });
  expect(failure.violations).toMatchObject([{ field: 'payment.order_no', reason: 'string.pattern' }]);
  expect(calls).toBe(0);
});

test('carries reason, metadata and retry delay of an error', async () => {
  const { client } = await startQuery(async () => {
    throw rpcErrors.repeatSameNumber('ask again', { retryAfterMs: 1_500, metadata: { group: '3' } });
  });
  expect(await failureOf(client.getPayment({ payment: PAYMENT }))).toMatchObject({
    code: status.UNAVAILABLE,
    reason: 'REPEAT_SAME_NUMBER',
    message: 'ask again',
    metadata: { group: '3' },
    retryAfterMs: 1_500,
  });
});

test('a handler that throws or rejects is one INTERNAL answer, and the next call is served', async () => {
  let calls = 0;
  const { client } = await startQuery(() => {
    calls += 1;
    if (calls === 1) throw new Error('thrown with a secret');
    if (calls === 2) return Promise.reject(new TypeError('rejected with a secret'));
    return Promise.resolve({});
  });
  for (let call = 0; call < 2; call += 1) {
    const failure = await failureOf(client.getPayment({ payment: PAYMENT }));
    expect(failure).toMatchObject({ code: status.INTERNAL, reason: 'INTERNAL' });
    expect(failure.message).not.toContain('secret');
  }
  await client.getPayment({ payment: PAYMENT });
});

test('a method that a later version answers says so', async () => {
  const { client } = await startQuery(async () => ({}));
  expect(await failureOf(client.getTrajectory({ orderNo: ORDER_NO }))).toMatchObject({
    code: status.UNIMPLEMENTED,
    reason: 'NOT_YET_IMPLEMENTED',
  });
});

test('a request over the size limit is refused by name', async () => {
  const { client } = await startQuery(async () => ({}), { requestBytesMax: 1_000 });
  const failure = await failureOf(
    client.getPayment({ payment: { ref: { case: 'orderNo', value: '1'.repeat(2_000) } } }),
  );
  expect(failure).toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    reason: 'MESSAGE_TOO_LARGE',
    metadata: { limit_bytes: '1000' },
  });
});

/** Calls with headers that our own client would never send. */
const rawCall = (
  port: number,
  options: { deadline?: number; bytes?: Buffer; metadata?: Metadata },
): Promise<RpcError> =>
  new Promise((resolve, reject) => {
    const raw = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    toClose.push(() => raw.close());
    raw.makeUnaryRequest(
      '/tillmesh.query.v1.QueryService/GetPayment',
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      options.bytes ?? Buffer.alloc(0),
      options.metadata ?? new Metadata(),
      options.deadline === undefined ? {} : { deadline: options.deadline },
      (error) => {
        if (error === null) reject(new Error('was answered'));
        else import('../src/rpc-error.ts').then(({ toRpcError }) => resolve(toRpcError(error)), reject);
      },
    );
  });

test('bytes that are no message are refused by name', async () => {
  const { server } = await startQuery(async () => ({}));
  expect(await rawCall(server.port, { bytes: Buffer.from([0xff, 0xff, 0xff]) })).toMatchObject({
    code: status.INVALID_ARGUMENT,
    reason: 'REQUEST_INVALID',
  });
});

test('a call with too little time left is refused on arrival, with the time it needs', async () => {
  let calls = 0;
  const { client } = await startQuery(
    async () => {
      calls += 1;
      return {};
    },
    { budgetMsMin: 500 },
  );
  await failureOf(client.getPayment({ payment: PAYMENT }, { capMs: 200 })).then((failure) =>
    expect(failure).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
      reason: 'DEADLINE_TOO_SHORT',
      metadata: { needed_ms: '500' },
    }),
  );
  expect(calls).toBe(0);
});

test('the callee answers before its caller gives up, also when the handler does not stop', async () => {
  const { client } = await startQuery(() => new Promise(() => {}));
  const beganMs = performance.now();
  const failure = await failureOf(client.getPayment({ payment: PAYMENT }, { capMs: 400 }));
  // An answer with a reason came from the server; a deadline that the client noticed itself has none.
  expect(failure).toMatchObject({ code: status.DEADLINE_EXCEEDED, reason: 'DEADLINE_REACHED' });
  expect(performance.now() - beganMs).toBeLessThan(400);
});

test('budget, caller, priority and merchant travel with the call and only shrink', async () => {
  const { client } = await startQuery(async (_request, call) => ({
    payment: {
      terminalId: String(Math.round(remainingMs(systemClock, call))),
      storeId: `${call.caller}/${call.priority}/${call.merchant}`,
      subject: currentCall()?.method ?? '',
    },
  }));
  const { payment } = await runAsCall(
    { name: 'test', caller: 'test', priority: 'refund', budgetMs: 1_000, clock: systemClock },
    () => client.getPayment({ payment: PAYMENT }, { merchant: 'm-1' }),
  );
  expect(Number(payment?.terminalId)).toBeGreaterThan(800);
  expect(Number(payment?.terminalId)).toBeLessThan(1_000);
  expect(payment?.storeId).toBe('test/refund/m-1');
  expect(payment?.subject).toBe('tillmesh.query.v1.QueryService/GetPayment');
});

test('a call without a deadline gets 40 s, and an unknown priority is the lowest', async () => {
  let seen: { remaining: number; priority: string } | undefined;
  const { server } = await startQuery(async (_request, call) => {
    seen = { remaining: remainingMs(systemClock, call), priority: call.priority };
    throw rpcErrors.paymentUnknown('none');
  });
  const metadata = new Metadata();
  metadata.set('tillmesh-priority', 'emperor');
  const { toBinary } = await import('@bufbuild/protobuf');
  await rawCall(server.port, {
    metadata,
    bytes: Buffer.from(toBinary(GetPaymentRequestSchema, create(GetPaymentRequestSchema, { payment: PAYMENT }))),
  });
  expect(seen?.priority).toBe('list');
  expect(seen?.remaining).toBeGreaterThan(38_000);
  expect(seen?.remaining).toBeLessThanOrEqual(40_000);
});

test('a caller that goes away aborts the handler', async () => {
  let aborted: unknown;
  const started = Promise.withResolvers<void>();
  const { client } = await startQuery(
    (_request, call) =>
      new Promise(() => {
        started.resolve();
        call.signal.addEventListener('abort', () => {
          aborted = call.signal.reason;
        });
      }),
  );
  const abort = new AbortController();
  const calling = failureOf(client.getPayment({ payment: PAYMENT }, { signal: abort.signal }));
  await started.promise;
  abort.abort(new Error('changed my mind'));
  expect(await calling).toMatchObject({ code: status.CANCELLED });
  await expect.poll(() => aborted).toMatchObject({ message: 'the caller went away' });
});

test('a stream gives every message and ends; its error has a reason', async () => {
  const server = await serve({
    services: [
      bind(RoutingService, {
        reportHealth: notYet('ReportHealth'),
        watchRoutingTable: async function* (request) {
          yield { table: { version: request.knownVersion + 1n } };
          yield { table: { version: request.knownVersion + 2n } };
          if (request.knownVersion === 9n) throw rpcErrors.notReady('not yet');
        },
        explainRoute: notYet('ExplainRoute'),
        setAccountState: notYet('SetAccountState'),
      }),
    ],
    host: '127.0.0.1',
    port: 0,
    log,
  });
  const client = createClient(RoutingService, { target: `127.0.0.1:${server.port}`, caller: 'test', capMs: 5_000 });
  toClose.push(
    () => server.drain(200),
    () => client.close(),
  );
  const versions: (bigint | undefined)[] = [];
  const collect = async (stream: AsyncIterable<WatchRoutingTableResponse>) => {
    for await (const { table } of stream) versions.push(table?.version);
  };
  await collect(client.watchRoutingTable({ knownVersion: 4n }));
  expect(versions).toEqual([5n, 6n]);
  expect(await failureOf(collect(client.watchRoutingTable({ knownVersion: 9n })))).toMatchObject({
    reason: 'NOT_READY',
  });
  expect(versions).toEqual([5n, 6n, 10n, 11n]);
});

test('draining lets calls under way end and refuses new ones', async () => {
  const release = Promise.withResolvers<void>();
  const { server, client } = await startQuery(async () => {
    await release.promise;
    return { payment: { version: 7 } };
  });
  const underWay = client.getPayment({ payment: PAYMENT });
  await systemClock.sleep(50);
  const draining = server.drain(2_000);
  release.resolve();
  expect((await underWay).payment?.version).toBe(7);
  await draining;
  expect(await failureOf(client.getPayment({ payment: PAYMENT }, { capMs: 300 }))).toMatchObject({ isTransport: true });
});

test('draining ends open streams with a reason, and does not wait for them', async () => {
  const server = await serve({
    services: [
      bind(RoutingService, {
        reportHealth: notYet('ReportHealth'),
        watchRoutingTable: async function* () {
          yield { table: { version: 1n } };
          await new Promise(() => {});
        },
        explainRoute: notYet('ExplainRoute'),
        setAccountState: notYet('SetAccountState'),
      }),
    ],
    host: '127.0.0.1',
    port: 0,
    log,
  });
  const client = createClient(RoutingService, { target: `127.0.0.1:${server.port}`, caller: 'test', capMs: 5_000 });
  toClose.push(() => client.close());
  const stream = client.watchRoutingTable({})[Symbol.asyncIterator]();
  await stream.next();
  const beganMs = performance.now();
  const [end] = await Promise.all([failureOf(stream.next()), server.drain(5_000)]);
  expect(end).toMatchObject({ reason: 'NOT_READY' });
  expect(performance.now() - beganMs).toBeLessThan(2_000);
});
