import { scraped } from '@tillmesh/telemetry';
import type { Lane } from './lane.ts';
import { CALL_ENDS, SECONDS_EDGES } from './lane-numbers.ts';
import { REJECTION_CAUSES } from './lane-rejected.ts';

// Read when they are asked for: a metric that is recorded with each call costs as much as the rest of the lane.
const lanes = new Set<Lane>();

const ofEach =
  <Value>(read: (lane: Lane) => readonly Value[]) =>
  (): Value[] =>
    [...lanes].flatMap(read);

scraped({
  name: 'tillmesh_lane_call_seconds',
  help: 'Time of calls in a lane, waiting excluded.',
  type: 'histogram',
  read: ofEach((lane) =>
    CALL_ENDS.flatMap((end) => {
      const { counts, sum } = lane.numbers.secondsOf(end);
      return [{ labels: { lane: lane.name, end }, edges: SECONDS_EDGES, counts, sum }];
    }),
  ),
});
scraped({
  name: 'tillmesh_lane_rejections_total',
  help: 'Calls that a lane refused.',
  type: 'counter',
  read: ofEach((lane) =>
    REJECTION_CAUSES.map((cause) => ({ labels: { lane: lane.name, cause }, value: lane.numbers.total(cause) })),
  ),
});
scraped({
  name: 'tillmesh_lane_in_flight',
  help: 'Calls under way in a lane.',
  type: 'gauge',
  read: ofEach((lane) => [{ labels: { lane: lane.name }, value: lane.reading().inFlight }]),
});
scraped({
  name: 'tillmesh_lane_queued',
  help: 'Calls that wait for a place in a lane.',
  type: 'gauge',
  read: ofEach((lane) => [{ labels: { lane: lane.name }, value: lane.reading().queued }]),
});
scraped({
  name: 'tillmesh_lane_places',
  help: 'The most calls that may be under way in a lane.',
  type: 'gauge',
  read: ofEach((lane) => [{ labels: { lane: lane.name }, value: lane.limits.concurrentMax }]),
});
scraped({
  name: 'tillmesh_lane_open',
  help: '1 while the lane refuses calls because its neighbour is sick.',
  type: 'gauge',
  read: ofEach((lane) => [{ labels: { lane: lane.name }, value: lane.reading().breaker === 'open' ? 1 : 0 }]),
});

/** Every lane of this process, in the order in which they were made. */
export const lanesOfProcess = (): readonly Lane[] => [...lanes];

/** Shows a lane's metrics for as long as the process lives. */
export const showMetrics = (lane: Lane): void => {
  lanes.add(lane);
};
