import type { Clock } from '@tillmesh/clock';
import { DAY_MS, formatOrderNo, type GroupTag, ORDER_EPOCH_MS, type OrderNo, SEQUENCE_MAX } from '@tillmesh/domain';

/** How far numbers may run ahead of the clock before callers have to wait. */
const AHEAD_MS_MAX = 5;
/** Where a seat's numbers begin later than this, its holder has none for now: its clock is behind the one of the holder before. */
const WAIT_MS_MAX = 100;
/** A clock that was set back by more is not trusted. */
const BACK_MS_MAX = 50;

/** The machine's clock was set back: numbers of the past could come again. */
export class ClockWentBack extends Error {
  override readonly name = 'ClockWentBack';
}

/** The right to draw a group's numbers under a worker id. Two holders of one id never have a ms in common. */
export type WorkerSeat = {
  /** 0 to 255. */
  readonly workerId: number;
  /** Numbers lie behind this moment, ms since 1970: those before may be somebody else's. */
  readonly afterMs: number;
  /** Numbers lie at or before this moment; it moves on as long as the right is renewed. */
  untilMs(): number;
};

/** Draws order numbers. */
export type OrderNumberSource = {
  /**
   * The next number for a group. Waits when the numbers run more than 5 ms ahead of the clock (128 numbers a ms). Undefined where
   * no number can be drawn for the group now, because nobody could be asked for a worker id.
   *
   * @throws {ClockWentBack} when the clock was set back by more than 50 ms.
   */
  next(tag: GroupTag): Promise<OrderNo | undefined>;
};

type Place = { readonly ms: number; readonly sequence: number };

/** The place behind the last one, as close to the clock as it may be; `wait`: the clock has to go on first. */
const placeAfter = (last: Place, nowMs: number): Place | 'wait' => {
  if (nowMs > last.ms) return { ms: nowMs, sequence: 0 };
  if (last.sequence < SEQUENCE_MAX) return { ms: last.ms, sequence: last.sequence + 1 };
  // The ms is used up: borrow the next one rather than wrap.
  return last.ms + 1 - nowMs > AHEAD_MS_MAX ? 'wait' : { ms: last.ms + 1, sequence: 0 };
};

/**
 * A source of order numbers. They grow with time, never repeat and never wrap.
 *
 * @param seatOf the right to draw a group's numbers, the same object as long as it is the same right; undefined while there is none.
 */
export const createOrderNumberSource = (options: {
  readonly clock: Clock;
  readonly seatOf: (tag: GroupTag) => Promise<WorkerSeat | undefined>;
}): OrderNumberSource => {
  const { clock, seatOf } = options;
  let latestClockMs = 0;
  /** The last number of each seat. */
  const lastOf = new WeakMap<WorkerSeat, Place>();

  const now = (): number => {
    const nowMs = clock.nowMs();
    if (latestClockMs - nowMs > BACK_MS_MAX) {
      throw new ClockWentBack(`the clock was set back by ${latestClockMs - nowMs} ms; set it right`);
    }
    latestClockMs = Math.max(latestClockMs, nowMs);
    return nowMs;
  };

  return {
    next: async (tag) => {
      const seat = await seatOf(tag);
      if (seat === undefined) return undefined;
      for (;;) {
        const nowMs = now();
        const last = lastOf.get(seat) ?? { ms: seat.afterMs, sequence: SEQUENCE_MAX };
        const place = placeAfter(last, nowMs);
        if (last.ms - nowMs > WAIT_MS_MAX) return undefined;
        if (place !== 'wait') {
          if (place.ms > seat.untilMs()) return undefined;
          lastOf.set(seat, place);
          const sinceEpochMs = place.ms - ORDER_EPOCH_MS;
          return formatOrderNo({
            day: Math.floor(sinceEpochMs / DAY_MS),
            msOfDay: sinceEpochMs % DAY_MS,
            groupTag: tag,
            workerId: seat.workerId,
            sequence: place.sequence,
          });
        }
        await clock.sleep(1);
      }
    },
  };
};
