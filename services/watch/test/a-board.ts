import { create } from '@bufbuild/protobuf';
import type { ManualClock } from '@tillmesh/clock';
import { WatchLanesResponseSchema } from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';
import { createLaneBoard, type LaneBoard, type LaneView } from '../src/lane-board.ts';
import type { aReading } from './a-lane-process.ts';

export type Reading = ReturnType<typeof aReading>;

/** A process' words, as they come over the wire. */
export const said = (instance: string, lanes: readonly Reading[]) =>
  create(WatchLanesResponseSchema, { service: 'test', instance, lanes: [...lanes] });

/** A board on which `a:1`, `a:2`, … of the cashier have said something about one lane each. */
export const aBoard = (clock: ManualClock, ...readings: readonly Reading[]): LaneBoard => {
  const board = createLaneBoard(clock);
  for (const [place, reading] of readings.entries()) {
    const address = `a:${place + 1}`;
    board.expect('cashier', address);
    board.heard('cashier', address, said(`cashier-${place + 1}`, [reading]));
  }
  return board;
};

/** The only lane on a board. */
export const onlyLane = (board: LaneBoard): LaneView => {
  const { lanes } = board.view();
  const [lane] = lanes;
  if (lane === undefined || lanes.length > 1) throw new Error(`${lanes.length} lanes are on the board`);
  return lane;
};
