import { type DescMethod, type DescService, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

/** Stands in for a request that is larger than the service takes; the handler refuses it by name. */
export class OversizedRequest {
  readonly bytes: number;

  constructor(bytes: number) {
    this.bytes = bytes;
  }
}

/** Stands in for a request whose bytes are not the message they should be. */
export class UnreadableRequest {}

const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** `tillmesh.cashier.v1.CashierService/CreatePayment`: the name in metrics and traces. */
export const qualifiedName = (method: DescMethod): string => `${method.parent.typeName}/${method.name}`;

/** grpc-js' definition of a method of protobuf-es. */
export const methodDefinition = (
  method: DescMethod,
  requestBytesMax: number,
): MethodDefinition<Message | OversizedRequest | UnreadableRequest, Message> => ({
  path: `/${qualifiedName(method)}`,
  requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
  responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
  requestSerialize: (message) => toBuffer(toBinary(method.input, message as Message)),
  // grpc-js turns a throw here into a bare INTERNAL; the handler can give the reason.
  requestDeserialize: (bytes) => {
    if (bytes.length > requestBytesMax) return new OversizedRequest(bytes.length);
    try {
      return fromBinary(method.input, bytes);
    } catch {
      return new UnreadableRequest();
    }
  },
  // grpc-js calls Buffer's own methods on what this returns; a plain Uint8Array fails there.
  responseSerialize: (message) => toBuffer(toBinary(method.output, message)),
  responseDeserialize: (bytes) => fromBinary(method.output, bytes),
});

/** grpc-js' definition of a service of protobuf-es. */
export const serviceDefinition = (service: DescService, requestBytesMax: number): ServiceDefinition =>
  Object.fromEntries(
    service.methods.map((method) => [method.localName, methodDefinition(method, requestBytesMax)]),
  ) as ServiceDefinition;
