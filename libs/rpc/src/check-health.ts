import { Client, credentials } from '@grpc/grpc-js';
import { systemClock } from '@tillmesh/clock';

const SERVING = 1;
const CHECK_MS_MAX = 1_000;

// grpc.health.v1: HealthCheckRequest { string service = 1 }, HealthCheckResponse { ServingStatus status = 1 }.
const serializeRequest = (service: string): Buffer => {
  const name = Buffer.from(service);
  return name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
};
const deserializeStatus = (bytes: Buffer): number => (bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0);

/**
 * Asks a gRPC server whether it serves, by the standard health service.
 *
 * @param service at most 127 characters; empty for the server as a whole.
 */
export const isServing = (target: string, service = ''): Promise<boolean> =>
  new Promise((resolve) => {
    const client = new Client(target, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      serializeRequest,
      deserializeStatus,
      service,
      { deadline: systemClock.nowMs() + CHECK_MS_MAX },
      (error, status) => {
        client.close();
        resolve(error === null && status === SERVING);
      },
    );
  });
