import { endedOf, type LaneFigures, rejectedOf, WINDOW_SECONDS } from './lane-figures.ts';

/** One second of a lane's curve. A tuple, because a page gets sixty of them for every lane. */
export type HistoryPoint = readonly [
  /** Calls per second that ended without a sign of sickness. */
  wellPerSecond: number,
  /** Calls per second that failed or were rejected. */
  badPerSecond: number,
  /** Share of the lane's processes in which it was open, 0 to 1. */
  open: number,
  /** Calls under way. */
  inFlight: number,
];

/** Seconds that are kept. */
export const HISTORY_SECONDS = 60;

/** What a lane's curve gets for the present second. */
export const pointOf = (figures: LaneFigures, openShare: number): HistoryPoint => {
  const perSecond = (count: number): number => Math.round((count * 10) / WINDOW_SECONDS) / 10;
  return [
    perSecond(endedOf(figures) - figures.failed),
    perSecond(figures.failed + rejectedOf(figures)),
    Math.round(openShare * 100) / 100,
    figures.inFlight,
  ];
};

/** The last minute of every lane, by a key of the caller. */
export type LaneHistory = {
  /** Adds one second: lanes that are not in it are forgotten. */
  add(points: ReadonlyMap<string, HistoryPoint>): void;
  /** The oldest first. */
  of(key: string): readonly HistoryPoint[];
};

export const createLaneHistory = (): LaneHistory => {
  let minutes = new Map<string, readonly HistoryPoint[]>();
  return {
    add: (points) => {
      minutes = new Map(
        [...points].map(([key, point]) => [key, [...(minutes.get(key) ?? []), point].slice(-HISTORY_SECONDS)]),
      );
    },
    of: (key) => minutes.get(key) ?? [],
  };
};
