import type { Clock } from '@tillmesh/clock';
import { Lane } from './lane.ts';
import type { LaneConfig } from './lane-config.ts';
import { showMetrics } from './lane-metrics.ts';

/** Declares a lane. All lanes of a service stand together in its lanes.ts. */
export const createLane = (config: LaneConfig, clock: Clock): Lane => {
  const lane = new Lane(config, clock);
  showMetrics(lane);
  return lane;
};
