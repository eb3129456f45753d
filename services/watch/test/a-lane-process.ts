import type { MessageInitShape } from '@bufbuild/protobuf';
import { systemClock } from '@tillmesh/clock';
import {
  BreakerControl,
  BreakerState,
  type LaneReadingSchema,
  LaneService,
} from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';
import { bind, notYet, serve } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';

type Reading = MessageInitShape<typeof LaneReadingSchema>;
/** A message's own `$typeName` may not be undefined, so that a part of a message is no such part. */
type Changed = Partial<Omit<Reading, '$typeName' | '$unknown'>>;

/** A lane at work, as its process reads it. */
export const aReading = (name: string, changed: Changed = {}): Reading => ({
  name,
  inFlight: 3,
  concurrentMax: 32,
  queued: 0,
  queuedMax: 8,
  breaker: BreakerState.CLOSED,
  control: BreakerControl.AUTO,
  oldestInFlightMs: 40,
  succeeded: 200n,
  declined: 4n,
  meanMs: 24,
  p50Ms: 20,
  p90Ms: 55,
  p99Ms: 140,
  timeoutMs: 8_000,
  ...changed,
});

export type LaneProcess = {
  /** host:port. */
  readonly address: string;
  /** Changes what its lanes say from the next second on. */
  say(readings: readonly Reading[]): void;
  stop(): Promise<void>;
};

const EVERY_MS = 1_000;

/** A gRPC server that answers LaneService.WatchLanes as a process with lanes does, and whose lanes do what the test says. */
export const startLaneProcess = async (options: {
  readonly instance: string;
  readonly readings: readonly Reading[];
  readonly port?: number;
}): Promise<LaneProcess> => {
  const { instance, port = 0 } = options;
  let { readings } = options;
  const server = await serve({
    services: [
      bind(LaneService, {
        watchLanes: async function* (_request, call) {
          while (!call.signal.aborted) {
            yield { service: 'test', instance, lanes: [...readings] };
            await systemClock.sleep(EVERY_MS, call.signal).catch(() => undefined);
          }
        },
        changeLane: notYet('ChangeLane'),
        setBreaker: notYet('SetBreaker'),
      }),
    ],
    host: '127.0.0.1',
    port,
    log: createLog('test', 'silent'),
  });
  server.setReady(true);
  return {
    address: `127.0.0.1:${server.port}`,
    say: (changed) => {
      readings = changed;
    },
    stop: () => server.drain(0),
  };
};
