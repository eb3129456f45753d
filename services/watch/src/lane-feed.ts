import type { Clock } from '@tillmesh/clock';
import { gauge } from '@tillmesh/telemetry';
import { createEventStream, type EventStream } from './event-stream.ts';
import { hystrixEvents } from './hystrix-events.ts';
import type { BoardView, LaneBoard, LaneView, Presence } from './lane-board.ts';
import { createLaneHistory, type HistoryPoint, pointOf } from './lane-history.ts';

const processes = gauge('tillmesh_watch_processes', 'Processes that are followed, by what they do.', ['presence']);

/** What the two streams say, and to whom. */
export type LaneFeed = {
  readonly lanes: EventStream;
  readonly hystrix: EventStream;
  /** What a page gets first: everything, the last minute included. */
  firstLanes(): string;
  firstHystrix(): string;
  /** Once a second: adds a second to the curves and sends. */
  tick(): void;
  /** After each reading: sends between two ticks when a breaker has moved. */
  heard(): void;
};

const EVENT_OF_HYSTRIX_WITHOUT_LANES = 'ping: \n\n';

const pointOfLane = ({ figures, counts }: LaneView): HistoryPoint =>
  pointOf(figures, counts.present === 0 ? 0 : counts.open / counts.present);

/** Makes the events out of what is on the board. */
export const createLaneFeed = (board: LaneBoard, clock: Clock): LaneFeed => {
  const lanes = createEventStream('lanes', clock);
  const hystrix = createEventStream('hystrix', clock);
  const history = createLaneHistory();
  let tick = 0;
  let alarms = '';

  const lanesEvent = ({ processes: followed, lanes: shown }: BoardView, withMinute: boolean): string => {
    const event = {
      atMs: clock.nowMs(),
      // A page adds one point to its curves for each tick, and a gap for each that it has missed.
      tick,
      processes: followed,
      lanes: shown.map((lane) => ({
        ...lane,
        ...(withMinute ? { minute: history.of(lane.key) } : { point: pointOfLane(lane) }),
      })),
    };
    return `event: lanes\ndata: ${JSON.stringify(event)}\n\n`;
  };
  const hystrixText = ({ lanes: shown }: BoardView): string => {
    const nowMs = clock.nowMs();
    const events = shown.flatMap((lane) => hystrixEvents(lane, history.of(lane.key), nowMs));
    if (events.length === 0) return EVENT_OF_HYSTRIX_WITHOUT_LANES;
    return events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
  };
  const sendLanes = (view: BoardView): void => {
    if (lanes.size > 0) lanes.send(lanesEvent(view, false));
  };

  return {
    lanes,
    hystrix,
    firstLanes: () => lanesEvent(board.view(), true),
    firstHystrix: () => hystrixText(board.view()),
    tick: () => {
      const view = board.view();
      tick += 1;
      history.add(new Map(view.lanes.map((lane) => [lane.key, pointOfLane(lane)])));
      for (const presence of ['present', 'lost', 'without_lanes'] satisfies Presence[]) {
        processes.set({ presence }, view.processes.filter((process) => process.presence === presence).length);
      }
      sendLanes(view);
      if (hystrix.size > 0) hystrix.send(hystrixText(view));
    },
    heard: () => {
      const now = board.alarms();
      if (now === alarms) return;
      alarms = now;
      sendLanes(board.view());
    },
  };
};
