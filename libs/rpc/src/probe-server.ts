import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';

/**
 * The names that Kubernetes' probes ask for. They are apart: what only a neighbour can mend must not end the process, so `startup` and
 * `liveness` say nothing of neighbours.
 *
 * - `startup` serves once the gRPC server listens.
 * - `liveness` serves for as long as the event loop turns, also while the process waits for a database and while it drains.
 * - `readiness`, also under the empty name, serves while calls may be sent here.
 */
export const PROBES = ['startup', 'readiness', 'liveness'] as const;
export type Probe = (typeof PROBES)[number];

/** Answers Kubernetes' probes by the standard health service, without TLS: the kubelet knows neither certificates nor payments. */
export type ProbeServer = {
  readonly port: number;
  setStarted(): void;
  setReady(ready: boolean): void;
  close(): void;
};

/** Listens. Port 0 takes a free one. */
export const serveProbes = async (listen: { readonly host: string; readonly port: number }): Promise<ProbeServer> => {
  const server = new Server();
  const health = new HealthImplementation({
    '': 'NOT_SERVING',
    startup: 'NOT_SERVING',
    readiness: 'NOT_SERVING',
    liveness: 'SERVING',
  });
  health.addToServer(server);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${listen.host}:${listen.port}`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return {
    port,
    setStarted: () => health.setStatus('startup', 'SERVING'),
    setReady: (ready) => {
      for (const name of ['', 'readiness']) health.setStatus(name, ready ? 'SERVING' : 'NOT_SERVING');
    },
    close: () => server.forceShutdown(),
  };
};
