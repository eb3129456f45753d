import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BreakerControl as Control, LaneReading, BreakerState as State } from '@tillmesh/lane';
import {
  BreakerControl,
  BreakerState,
  type LaneReadingSchema,
} from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';

const STATES: Readonly<Record<State, BreakerState>> = {
  closed: BreakerState.CLOSED,
  open: BreakerState.OPEN,
  half_open: BreakerState.HALF_OPEN,
};

const CONTROLS: Readonly<Record<Control, BreakerControl>> = {
  auto: BreakerControl.AUTO,
  forced_open: BreakerControl.FORCED_OPEN,
  forced_closed: BreakerControl.FORCED_CLOSED,
};

/** An operator's word, undefined where it says nothing. */
export const controlFromWire = (wire: BreakerControl): Control | undefined => {
  switch (wire) {
    case BreakerControl.AUTO:
      return 'auto';
    case BreakerControl.FORCED_OPEN:
      return 'forced_open';
    case BreakerControl.FORCED_CLOSED:
      return 'forced_closed';
    case BreakerControl.UNSPECIFIED:
      return undefined;
  }
  return undefined;
};

/** A lane's reading in the words of the wire. */
export const readingToWire = (reading: LaneReading): MessageInitShape<typeof LaneReadingSchema> => ({
  name: reading.name,
  inFlight: reading.inFlight,
  concurrentMax: reading.concurrentMax,
  queued: reading.queued,
  queuedMax: reading.queuedMax,
  breaker: STATES[reading.breaker],
  control: CONTROLS[reading.control],
  oldestInFlightMs: Math.round(reading.oldestInFlightMs),
  stalled: reading.stalled,
  succeeded: BigInt(reading.succeeded),
  failed: BigInt(reading.failed),
  timedOut: BigInt(reading.timedOut),
  declined: BigInt(reading.declined),
  abandoned: BigInt(reading.abandoned),
  rejectedFull: BigInt(reading.rejected.full),
  rejectedOpen: BigInt(reading.rejected.open),
  rejectedQueueWait: BigInt(reading.rejected.queue_wait_too_long),
  rejectedNoTime: BigInt(reading.rejected.no_time_left),
  rejectedMerchant: BigInt(reading.rejected.merchant_share),
  meanMs: reading.meanMs,
  p50Ms: reading.p50Ms,
  p90Ms: reading.p90Ms,
  p99Ms: reading.p99Ms,
  queueWaitP99Ms: reading.queueWaitP99Ms,
  timeoutMs: reading.timeoutMs,
});
