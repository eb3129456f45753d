import type { Clock } from '@tillmesh/clock';
import {
  assert,
  DAY_MS,
  formatOrderNo,
  type GroupTag,
  ORDER_EPOCH_MS,
  type OrderNo,
  SEQUENCE_MAX,
  WORKER_ID_MAX,
} from '@tillmesh/domain';

/** How far numbers may run ahead of the clock before callers have to wait. */
const AHEAD_MS_MAX = 5;
/** A clock that was set back by more is not trusted. */
const BACK_MS_MAX = 50;

/** The machine's clock was set back: numbers of the past could come again. */
export class ClockWentBack extends Error {
  override readonly name = 'ClockWentBack';
}

/** Draws order numbers. Two sources with the same worker id must never work at the same time. */
export type OrderNumberSource = {
  /**
   * The next number for a group. Waits when the numbers run more than 5 ms ahead of the clock (128 numbers a ms).
   *
   * @throws {ClockWentBack} when the clock was set back by more than 50 ms.
   */
  next(tag: GroupTag): Promise<OrderNo>;
};

/** A source of order numbers. They grow with time, never repeat and never wrap. */
export const createOrderNumberSource = (options: {
  readonly clock: Clock;
  readonly workerId: number;
}): OrderNumberSource => {
  const { clock, workerId } = options;
  assert(
    Number.isInteger(workerId) && workerId >= 0 && workerId <= WORKER_ID_MAX,
    `worker id ${workerId} is not 0 to 255`,
  );
  let latestClockMs = 0;
  let lastMs = 0;
  let sequence = 0;

  const advance = (): boolean => {
    const nowMs = clock.nowMs();
    if (latestClockMs - nowMs > BACK_MS_MAX) {
      throw new ClockWentBack(`the clock was set back by ${latestClockMs - nowMs} ms; set it right`);
    }
    latestClockMs = Math.max(latestClockMs, nowMs);
    if (nowMs > lastMs) {
      lastMs = nowMs;
      sequence = 0;
      return true;
    }
    if (sequence < SEQUENCE_MAX) {
      sequence += 1;
      return true;
    }
    // The ms is used up: borrow the next one rather than wrap.
    if (lastMs + 1 - nowMs > AHEAD_MS_MAX) return false;
    lastMs += 1;
    sequence = 0;
    return true;
  };

  return {
    next: async (tag) => {
      while (!advance()) await clock.sleep(1);
      const sinceEpochMs = lastMs - ORDER_EPOCH_MS;
      return formatOrderNo({
        day: Math.floor(sinceEpochMs / DAY_MS),
        msOfDay: sinceEpochMs % DAY_MS,
        groupTag: tag,
        workerId,
        sequence,
      });
    },
  };
};
