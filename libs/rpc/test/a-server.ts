import { create, toBinary } from '@bufbuild/protobuf';
import { type ChannelOptions, Client, credentials, Metadata } from '@grpc/grpc-js';
import { GetPaymentRequestSchema, QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { createLog } from '@tillmesh/telemetry';
import { expect, onTestFinished } from 'vitest';
import {
  bind,
  createClient,
  type Implementation,
  notYet,
  notYetStream,
  type RpcClient,
  type RpcError,
  type RpcServer,
  type ServeOptions,
  serve,
  toRpcError,
} from '../src/index.ts';

export const QUIET = createLog('test', 'silent');
export const ORDER_NO = '1'.repeat(25);
export const PAYMENT = { ref: { case: 'orderNo', value: ORDER_NO } } as const;
export const GET_PAYMENT = '/tillmesh.query.v1.QueryService/GetPayment';

type GetPayment = Implementation<typeof QueryService>['getPayment'];

/** A query service with one method of its own, ready, until the test ends. */
export const aQueryServer = async (getPayment: GetPayment, options: Partial<ServeOptions> = {}): Promise<RpcServer> => {
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
    log: QUIET,
    ...options,
  });
  server.setReady(true);
  onTestFinished(() => server.drain(100));
  return server;
};

/** Our own client of a query service, until the test ends. */
export const aQueryClient = (target: string, capMs = 10_000): RpcClient<typeof QueryService> => {
  const client = createClient(QueryService, { target, caller: 'test', capMs });
  onTestFinished(() => client.close());
  return client;
};

export const targetOf = (...ports: readonly number[]): string =>
  ports.length === 1 ? `127.0.0.1:${ports[0]}` : `ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(',')}`;

/** A client of grpc-js as others may use it, until the test ends. */
export const aForeignClient = (target: string, options: ChannelOptions = {}): Client => {
  const client = new Client(target, credentials.createInsecure(), options);
  onTestFinished(() => client.close());
  return client;
};

const request = Buffer.from(toBinary(GetPaymentRequestSchema, create(GetPaymentRequestSchema, { payment: PAYMENT })));

/** GetPayment by a foreign client; the answer is its error, or undefined where it was answered. */
export const foreignCall = (
  client: Client,
  options: { readonly deadlineMs?: number; readonly metadata?: Metadata; readonly bytes?: Buffer } = {},
): Promise<RpcError | undefined> =>
  new Promise((resolve) => {
    client.makeUnaryRequest(
      GET_PAYMENT,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      options.bytes ?? request,
      options.metadata ?? new Metadata(),
      options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs },
      (error) => resolve(error === null ? undefined : toRpcError(error)),
    );
  });

/** The RpcError that a promise is rejected with; fails where it is not. */
export const failureOf = async (promise: Promise<unknown>): Promise<RpcError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'RpcError' });
  return error as RpcError;
};

/** Notes everything that nobody caught while the test runs. */
export const uncaught = (): readonly unknown[] => {
  const seen: unknown[] = [];
  const note = (error: unknown) => seen.push(error);
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
  onTestFinished(() => {
    process.off('unhandledRejection', note);
    process.off('uncaughtException', note);
  });
  return seen;
};
