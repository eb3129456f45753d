import { type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { file_google_rpc_error_details } from '@tillmesh/proto/google/rpc/error_details_pb.ts';
import { Health } from '@tillmesh/proto/grpc/health/v1/health_pb.ts';
import { file_tillmesh_error_v1_reason } from '@tillmesh/proto/tillmesh/error/v1/reason_pb.ts';

const withDependencies = (file: DescFile): DescFile[] => [file, ...file.dependencies.flatMap(withDependencies)];

/**
 * Lets callers ask the server for its services and messages, as grpcurl does. Besides the services it tells of health checks
 * and of what errors carry: a tool that does not know google.rpc.ErrorInfo shows a reason as base64.
 */
export const addReflection = (server: Server, services: readonly DescService[]): void => {
  const files = [
    ...[...services, Health].map(({ file }) => file),
    file_google_rpc_error_details,
    file_tillmesh_error_v1_reason,
  ].flatMap(withDependencies);
  const byName = new Map(files.map((file) => [file.name, file.proto]));
  const fileDescriptorProtos = [...byName.values()].map((proto) =>
    Buffer.from(toBinary(FileDescriptorProtoSchema, proto)),
  );
  const definitions = { all: { format: 'Protocol Buffer 3 DescriptorProto', type: {}, fileDescriptorProtos } };
  // The package's type asks for more than it reads: fileDescriptorProtos alone (grpc-node, packages/grpc-reflection).
  new ReflectionService(definitions as unknown as ConstructorParameters<typeof ReflectionService>[0], {
    services: [...services, Health].map(({ typeName }) => typeName),
  }).addToServer(server);
};
