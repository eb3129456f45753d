import type { Clock } from '@tillmesh/clock';

/** Something that is to be called when its time has come. It is its own place in the wheel: nothing is allocated for it. */
export type Timed = {
  /** Of the monotonic clock. */
  dueMs: number;
  /** Its neighbours and its slot, -1 while it is in no wheel; the wheel's own. */
  wheelNext: Timed | undefined;
  wheelBefore: Timed | undefined;
  wheelSlot: number;
  onDue(): void;
};

/** One turn is some four seconds, a slot a millisecond; what is due later waits in a list that is looked through twice a turn. */
const SLOTS = 4_096;
const FAR = SLOTS;
const LOOK_THROUGH_MS = SLOTS / 2;

/**
 * All time-outs of a process on one timer of the clock. Adding and taking out cost the same however many there are; calls nearly
 * always end before their time is up, and a timer of its own for each would cost them some ten times as much.
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #slots: (Timed | undefined)[] = Array.from({ length: SLOTS + 1 }, () => undefined);
  #count = 0;
  /** The last millisecond whose slot was emptied. */
  #doneMs: number;
  #lookThroughAtMs = 0;
  /** For when the clock's timer is set; infinite without one. It is left to run out: setting and clearing it for each call costs more. */
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#doneMs = Math.floor(clock.monotonicMs());
  }

  /** How many wait. */
  get count(): number {
    return this.#count;
  }

  /**
   * Calls `timed.onDue` at its `dueMs`, never before and at most a millisecond and the clock's own lateness after it.
   *
   * @param nowMs the monotonic clock now; asked once a call, by who adds.
   */
  add(timed: Timed, nowMs: number): void {
    if (this.#count === 0) {
      this.#doneMs = Math.floor(nowMs);
      this.#lookThroughAtMs = this.#doneMs + LOOK_THROUGH_MS;
    }
    this.#count += 1;
    this.#place(timed);
  }

  /** Takes it out; nothing happens where it is not in. */
  remove(timed: Timed): void {
    const { wheelSlot, wheelNext, wheelBefore } = timed;
    if (wheelSlot < 0) return;
    if (wheelBefore === undefined) this.#slots[wheelSlot] = wheelNext;
    else wheelBefore.wheelNext = wheelNext;
    if (wheelNext !== undefined) wheelNext.wheelBefore = wheelBefore;
    timed.wheelSlot = -1;
    timed.wheelNext = undefined;
    timed.wheelBefore = undefined;
    this.#count -= 1;
  }

  #place(timed: Timed): void {
    const dueAtMs = Math.max(this.#doneMs + 1, Math.ceil(timed.dueMs));
    const isFar = dueAtMs >= this.#doneMs + SLOTS;
    const slot = isFar ? FAR : dueAtMs % SLOTS;
    const first = this.#slots[slot];
    timed.wheelSlot = slot;
    timed.wheelBefore = undefined;
    timed.wheelNext = first;
    if (first !== undefined) first.wheelBefore = timed;
    this.#slots[slot] = timed;
    const wakeAtMs = isFar ? this.#lookThroughAtMs : dueAtMs;
    if (wakeAtMs < this.#armedMs) this.#arm(wakeAtMs);
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
    const nowMs = Math.floor(this.#clock.monotonicMs());
    // After a long pause each slot is looked at once, not once for each millisecond that was missed.
    const fromMs = Math.max(this.#doneMs + 1, nowMs - SLOTS + 1);
    this.#doneMs = nowMs;
    for (let atMs = fromMs; atMs <= nowMs; atMs += 1) {
      for (let timed = this.#slots[atMs % SLOTS]; timed !== undefined; timed = this.#slots[atMs % SLOTS]) {
        this.remove(timed);
        timed.onDue();
      }
    }
    if (nowMs >= this.#lookThroughAtMs) this.#lookThrough(nowMs);
    this.#armNext();
  }

  /** Gives what has come near its slot. */
  #lookThrough(nowMs: number): void {
    this.#lookThroughAtMs = nowMs + LOOK_THROUGH_MS;
    for (let timed = this.#slots[FAR]; timed !== undefined; ) {
      const next: Timed | undefined = timed.wheelNext;
      if (Math.ceil(timed.dueMs) < nowMs + SLOTS) {
        this.remove(timed);
        this.#count += 1;
        this.#place(timed);
      }
      timed = next;
    }
  }

  #armNext(): void {
    if (this.#count === 0) return;
    for (let atMs = this.#doneMs + 1; atMs < this.#lookThroughAtMs; atMs += 1) {
      if (atMs >= this.#armedMs) return;
      if (this.#slots[atMs % SLOTS] !== undefined) {
        this.#arm(atMs);
        return;
      }
    }
    if (this.#lookThroughAtMs < this.#armedMs) this.#arm(this.#lookThroughAtMs);
  }
}

const wheels = new WeakMap<Clock, TimerWheel>();

/** The one wheel of a clock, and so of a process. */
export const wheelOf = (clock: Clock): TimerWheel => {
  const known = wheels.get(clock);
  if (known !== undefined) return known;
  const wheel = new TimerWheel(clock);
  wheels.set(clock, wheel);
  return wheel;
};
