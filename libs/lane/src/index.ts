export type { BreakerControl, BreakerState } from './breaker.ts';
export { createLane } from './create-lane.ts';
export { FairQueue, type Waiter } from './fair-queue.ts';
export { Lane, type Probe } from './lane.ts';
export { type LaneCall, type LaneConfig, type LaneLimits, LaneLimitsInvalid } from './lane-config.ts';
export { lanesOfProcess } from './lane-metrics.ts';
export type { LaneReading } from './lane-reading.ts';
export { LaneRejected, LaneTimeout, type RejectionCause } from './lane-rejected.ts';
