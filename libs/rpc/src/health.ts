import type { handleServerStreamingCall, Server, ServerWritableStream } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';

/** The standard health service of a server (grpc.health.v1). */
export type Health = {
  /** For the server as a whole and for each of its services. */
  setReady(ready: boolean): void;
  /** Ends the streams of those who watch: nothing more will be told. */
  endWatches(): void;
};

type Watch = ServerWritableStream<unknown, unknown>;

/** Adds the health service. Nothing serves before setReady says so. */
export const addHealth = (server: Server, serviceNames: readonly string[]): Health => {
  const names = ['', ...serviceNames];
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, 'NOT_SERVING' as const])));
  const watches = new Set<Watch>();
  health.addToServer({
    // grpc-health-check keeps its streams to itself, and one that stays open holds up the server's end.
    addService: (definition, handlers) => {
      const watch = handlers['watch'] as handleServerStreamingCall<unknown, unknown>;
      server.addService(definition, {
        ...handlers,
        watch: (stream: Watch) => {
          watches.add(stream);
          stream.once('cancelled', () => watches.delete(stream));
          watch(stream);
        },
      });
    },
  });
  return {
    setReady: (ready) => {
      for (const name of names) health.setStatus(name, ready ? 'SERVING' : 'NOT_SERVING');
    },
    endWatches: () => {
      for (const stream of watches) stream.end();
      watches.clear();
    },
  };
};
