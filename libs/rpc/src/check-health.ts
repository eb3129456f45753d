import { Client } from '@grpc/grpc-js';
import { systemClock } from '@tillmesh/clock';
import { HEALTH_CHECK, isServingAnswer, serializeHealthRequest } from './endpoints/health-wire.ts';
import { channelSecurity } from './tls/channel-security.ts';
import { processIdentity } from './tls/process-identity.ts';

const CHECK_MS_MAX = 1_000;

/**
 * Asks a gRPC server whether it serves, by the standard health service.
 *
 * @param service at most 127 characters; empty for the server as a whole.
 * @param identity the process's own unless told.
 */
export const isServing = (target: string, service = '', identity = processIdentity()): Promise<boolean> =>
  new Promise((resolve) => {
    const { credentials, options } = channelSecurity(identity);
    const client = new Client(target, credentials, { ...options, 'grpc.use_local_subchannel_pool': 1 });
    client.makeUnaryRequest(
      HEALTH_CHECK,
      serializeHealthRequest,
      isServingAnswer,
      service,
      { deadline: systemClock.nowMs() + CHECK_MS_MAX },
      (error, serving) => {
        client.close();
        resolve(error === null && serving === true);
      },
    );
  });
