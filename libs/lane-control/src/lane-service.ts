import type { Clock } from '@tillmesh/clock';
import { type Lane, type LaneLimits, LaneLimitsInvalid, lanesOfProcess } from '@tillmesh/lane';
import { type ChangeLaneRequest, LaneService } from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';
import { type Binding, bind, rpcErrors } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import { controlFromWire, readingToWire } from './reading-to-wire.ts';

const EVERY_MS = 1_000;

/** Only what was given is changed. */
const limitsOf = (request: ChangeLaneRequest): Partial<LaneLimits> => {
  const { concurrentMax, queuedMax, queueWaitMsMax, timeoutMs } = request;
  return {
    ...(concurrentMax === undefined ? {} : { concurrentMax }),
    ...(queuedMax === undefined ? {} : { queuedMax }),
    ...(queueWaitMsMax === undefined ? {} : { queueWaitMsMax }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
};

/** What the process's lanes do, and an operator's switches at them. Every service with lanes binds it beside its own services. */
export const bindLanes = (options: {
  /** Such as `cashier`. */
  readonly service: string;
  /** Which of its processes, such as host:port. */
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Log;
}): Binding => {
  const { service, instance, clock, log } = options;

  const laneOf = (name: string): Lane => {
    const lane = lanesOfProcess().find((candidate) => candidate.name === name);
    if (lane !== undefined) return lane;
    const names = lanesOfProcess().map((candidate) => candidate.name);
    throw rpcErrors.laneUnknown(`${service} has no lane ${name}; it has ${names.join(', ')}`, {
      metadata: { lane: name },
    });
  };

  return bind(LaneService, {
    watchLanes: async function* (_request, call) {
      while (!call.signal.aborted) {
        yield { service, instance, lanes: lanesOfProcess().map((lane) => readingToWire(lane.reading())) };
        // Whoever watches has gone away: that ends the stream and is no error.
        await clock.sleep(EVERY_MS, call.signal).catch(() => undefined);
      }
    },

    changeLane: async (request, call) => {
      const lane = laneOf(request.name);
      const limits = limitsOf(request);
      const before = lane.limits;
      try {
        lane.change(limits);
      } catch (error) {
        if (!(error instanceof LaneLimitsInvalid)) throw error;
        throw rpcErrors.requestInvalid(`${error.message}; the lane keeps its limits`, { cause: error });
      }
      log.warn(
        { lane: lane.name, before, limits, note: request.note, caller: call.caller },
        'an operator changed a lane',
      );
      return { lane: readingToWire(lane.reading()) };
    },

    setBreaker: async ({ name, control: wire, note }, call) => {
      const lane = laneOf(name);
      const control = controlFromWire(wire);
      if (control === undefined) throw rpcErrors.requestInvalid('control has to be AUTO, FORCED_OPEN or FORCED_CLOSED');
      lane.setControl(control);
      log.warn({ lane: name, control, note, caller: call.caller }, 'an operator switched a breaker');
      return { lane: readingToWire(lane.reading()) };
    },
  });
};
