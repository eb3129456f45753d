export type { BreakerState } from './breaker.ts';
export { createLane, Lane, type LaneCall, type LaneConfig, type LaneStatistics } from './lane.ts';
export { LaneRejected, LaneTimeout, type RejectionCause } from './lane-rejected.ts';
