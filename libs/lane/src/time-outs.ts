import { type Clock, NO_TIMER, type TimerHandle, TimerWheel } from '@tillmesh/clock';

/** Something that is to be called when its time has come. */
export type Timed = {
  /** Of the monotonic clock. */
  dueMs: number;
  /** Its place in the wheel, `NO_TIMER` while it is in none; the wheel's own. */
  timer: TimerHandle;
  onDue(): void;
};

/** Far above what the lanes of a process let in; a time-out that finds no place would be a call without an end. */
const TIMED_MAX = 2 ** 24;

/**
 * All time-outs of a process on one timer of the clock. Calls nearly always end before their time is up, and a timer of its own for
 * each would cost them some ten times as much.
 */
export class TimeOuts {
  readonly #clock: Clock;
  readonly #wheel: TimerWheel<Timed>;
  /** For when the clock's timer is set; infinite without one. It is left to run out: setting and clearing it for each call costs more. */
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wheel = new TimerWheel(clock.monotonicMs(), TIMED_MAX);
  }

  /** How many wait. */
  get count(): number {
    return this.#wheel.count;
  }

  /**
   * Calls `timed.onDue` at its `dueMs`, never before and at most a millisecond and the clock's own lateness after it.
   *
   * @param nowMs the monotonic clock now; asked once a call, by who adds.
   */
  add(timed: Timed, nowMs: number): void {
    if (this.#wheel.count === 0) this.#wheel.advance(nowMs);
    timed.timer = this.#wheel.add(timed, timed.dueMs);
    if (timed.timer === NO_TIMER) throw new RangeError(`more than ${TIMED_MAX} time-outs wait`);
    const wakeAtMs = Math.ceil(timed.dueMs);
    if (wakeAtMs < this.#armedMs) this.#arm(wakeAtMs);
  }

  /** Takes it out; nothing happens where it is not in. */
  remove(timed: Timed): void {
    if (timed.timer === NO_TIMER) return;
    this.#wheel.remove(timed.timer);
    timed.timer = NO_TIMER;
  }

  #arm(atMs: number): void {
    this.#armedMs = atMs;
    this.#clock.after(Math.max(0, atMs - this.#clock.monotonicMs()), () => {
      // One that was set before an earlier one was needed.
      if (atMs === this.#armedMs) this.#turn();
    });
  }

  #turn(): void {
    this.#armedMs = Number.POSITIVE_INFINITY;
    this.#wheel.advance(this.#clock.monotonicMs());
    for (let timer = this.#wheel.firstDue(); timer !== NO_TIMER; timer = this.#wheel.firstDue()) {
      const timed = this.#wheel.item(timer);
      this.remove(timed);
      timed.onDue();
    }
    const wakeAtMs = this.#wheel.wakeAtMs();
    if (wakeAtMs < this.#armedMs) this.#arm(wakeAtMs);
  }
}

const ofClocks = new WeakMap<Clock, TimeOuts>();

/** The time-outs of a clock, and so of a process. */
export const timeOutsOf = (clock: Clock): TimeOuts => {
  const known = ofClocks.get(clock);
  if (known !== undefined) return known;
  const timeOuts = new TimeOuts(clock);
  ofClocks.set(clock, timeOuts);
  return timeOuts;
};
