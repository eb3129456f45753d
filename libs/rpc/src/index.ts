/** gRPC's status codes. */
export { status as Code } from '@grpc/grpc-js';
export { BROWNOUT_MS, Brownout, brownout } from './brownout.ts';
export {
  BUDGET_MS_MAX,
  type CallContext,
  currentCall,
  PRIORITIES,
  type Priority,
  remainingMs,
  runAsCall,
  runInCall,
} from './call-context.ts';
export { isServing } from './check-health.ts';
export {
  type CallOptions,
  type ClientOptions,
  type Clients,
  createClient,
  createClients,
  type Passage,
  type RpcClient,
} from './client.ts';
export { assertBalancing, serviceConfig } from './endpoints/balancing.ts';
export { followStream } from './follow-stream.ts';
export { persistently } from './persistently.ts';
export {
  certainlyNotDone,
  type FieldViolation,
  type ReasonName,
  RpcError,
  type RpcErrorDetails,
  rpcErrors,
  TRANSPORT_REASON,
  toRpcError,
} from './rpc-error.ts';
export { runService, type ServiceParts, type ServiceSettings } from './run-service.ts';
export {
  type Binding,
  bind,
  type Implementation,
  notYet,
  notYetStream,
  type RpcServer,
  type ServeOptions,
  type StreamHandler,
  serve,
  type UnaryHandler,
} from './serve.ts';
export { type MeshIdentity, openIdentity, type TlsSettings } from './tls/mesh-identity.ts';
export { setProcessIdentity, useIdentityOf } from './tls/process-identity.ts';
export { validateRequest } from './validation.ts';
