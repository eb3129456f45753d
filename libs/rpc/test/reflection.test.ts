import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials } from '@grpc/grpc-js';
import { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bind, notYet, notYetStream, type RpcServer, serve } from '../src/index.ts';

// Of grpc.reflection.v1: what is asked, and where the answer to it stands.
const ASK = { fileContainingSymbol: 4, listServices: 7 } as const;
const ANSWER = { fileDescriptors: 4, services: 6 } as const;

let server: RpcServer;
let client: Client;

beforeAll(async () => {
  server = await serve({
    services: [
      bind(QueryService, {
        getPayment: notYet('GetPayment'),
        listPayments: notYet('ListPayments'),
        getTrajectory: notYet('GetTrajectory'),
        watchMerchant: notYetStream('WatchMerchant'),
      }),
    ],
    host: '127.0.0.1',
    port: 0,
    log: createLog('test', 'silent'),
    reflection: true,
  });
  client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
});

afterAll(async () => {
  client.close();
  await server.drain(200);
});

/** The fields of a message that hold bytes, by number. */
const bytesOf = (message: Uint8Array): { readonly field: number; readonly bytes: Uint8Array }[] => {
  const reader = new BinaryReader(message);
  const found = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType === WireType.LengthDelimited) found.push({ field, bytes: reader.bytes() });
    else reader.skip(wireType);
  }
  return found;
};

/** The items of the answer to one question; none where the server answers with an error. */
const ask = async (question: number, about: string, answer: number): Promise<Uint8Array[]> => {
  const call = client.makeBidiStreamRequest(
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes) => bytes,
    { deadline: Date.now() + 5_000 },
  );
  call.end(new BinaryWriter().tag(question, WireType.LengthDelimited).string(about).finish());
  for await (const message of call) {
    const answers = bytesOf(message as Uint8Array).filter(({ field }) => field === answer);
    return answers.flatMap(({ bytes }) => bytesOf(bytes).map((item) => item.bytes));
  }
  return [];
};

const filesNear = async (symbol: string): Promise<FileDescriptorProto[]> => {
  const files = await ask(ASK.fileContainingSymbol, symbol, ANSWER.fileDescriptors);
  return files.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
};

const symbolsNear = async (symbol: string): Promise<string[]> =>
  (await filesNear(symbol)).flatMap((file) =>
    [...file.service, ...file.messageType, ...file.enumType].map(({ name }) => `${file.package}.${name}`),
  );

test('reflection lists what the server answers: its own services and health', async () => {
  const services = await ask(ASK.listServices, '', ANSWER.services);
  const names = services.flatMap((bytes) => bytesOf(bytes).map((name) => Buffer.from(name.bytes).toString()));
  expect(names.toSorted()).toEqual(['grpc.health.v1.Health', QueryService.typeName]);
});

describe('reflection describes', () => {
  test.each([
    ['a service', QueryService.typeName],
    ['what its messages are made of', 'tillmesh.payment.v1.Payment'],
    ['the health service', 'grpc.health.v1.Health'],
    ['the reason of an error', 'google.rpc.ErrorInfo'],
    ['the wrong fields of a request', 'google.rpc.BadRequest'],
    ['when to call again', 'google.rpc.RetryInfo'],
    ['every reason there is', 'tillmesh.error.v1.ErrorReason'],
  ])('%s', async (_what, symbol) => {
    expect(await symbolsNear(symbol)).toContain(symbol);
  });

  // protobufjs names them otherwise, and Go's runtime, which is grpcurl's, then refuses the whole file.
  test.each([
    ['grpc.health.v1', 'HealthListResponse', 'StatusesEntry'],
    ['google.rpc', 'ErrorInfo', 'MetadataEntry'],
  ])('the map in %s.%s as protoc does', async (inPackage, message, entry) => {
    const file = (await filesNear(`${inPackage}.${message}`)).find((each) => each.package === inPackage);
    const nested = file?.messageType.find(({ name }) => name === message)?.nestedType ?? [];
    expect(nested.map(({ name }) => name)).toContain(entry);
  });

  test('nothing that it does not have', async () => {
    expect(await symbolsNear('tillmesh.cashier.v1.CashierService')).toEqual([]);
  });
});
