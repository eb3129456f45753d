import { type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { file_google_rpc_error_details } from '@tillmesh/proto/google/rpc/error_details_pb.ts';
import { file_tillmesh_error_v1_reason } from '@tillmesh/proto/tillmesh/error/v1/reason_pb.ts';
import { service as healthService } from 'grpc-health-check';

const HEALTH = 'grpc.health.v1.Health';

const withDependencies = (file: DescFile): DescFile[] => [file, ...file.dependencies.flatMap(withDependencies)];

/**
 * Lets callers ask the server for its services and messages, as grpcurl does. Besides the services it tells of health checks
 * and of what errors carry: a tool that does not know google.rpc.ErrorInfo shows a reason as base64.
 */
export const addReflection = (server: Server, services: readonly DescService[]): void => {
  const files = new Map(
    [...services.map(({ file }) => file), file_google_rpc_error_details, file_tillmesh_error_v1_reason]
      .flatMap(withDependencies)
      .map((file) => [file.name, file]),
  );
  const format = 'Protocol Buffer 3 DescriptorProto';
  const definitions = {
    ours: {
      format,
      type: {},
      fileDescriptorProtos: [...files.values()].map((file) =>
        Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)),
      ),
    },
    health: { format, type: {}, fileDescriptorProtos: healthService['Check']?.requestType.fileDescriptorProtos ?? [] },
  };
  // The package's type asks for more than it reads: fileDescriptorProtos alone (grpc-node, packages/grpc-reflection).
  new ReflectionService(definitions as unknown as ConstructorParameters<typeof ReflectionService>[0], {
    services: [...services.map(({ typeName }) => typeName), HEALTH],
  }).addToServer(server);
};
