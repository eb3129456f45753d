/** A timer's place in its wheel, until it is removed; a number that is free again is given out again. */
export type TimerHandle = number;

/** What is no handle: `add` gives it when the wheel is full, `firstDue` when nothing is due. */
export const NO_TIMER: TimerHandle = -1;

// Three wheels: 4,096 slots of a millisecond, 1,024 of the first one's turn (4.1 s), 1,024 of the second one's turn (70 min).
// What is further away than the third one's turn (50 days) waits in its last slot and is placed again from there.
const SLOTS_0 = 4_096;
const SLOTS_1 = 1_024;
const SLOTS_2 = 1_024;
const TURN_0_MS = SLOTS_0;
const TURN_1_MS = TURN_0_MS * SLOTS_1;
const FIRST_1 = SLOTS_0;
const FIRST_2 = FIRST_1 + SLOTS_1;
const DUE = FIRST_2 + SLOTS_2;
const LISTS = DUE + 1;

const NONE = -1;
const TIMERS_AT_FIRST = 256;

/**
 * Timers in a hierarchical timing wheel (Varghese and Lauck, 1987): adding, moving and removing cost the same however many there
 * are, and time that passes costs a look at a slot for each millisecond, or for each four seconds while nothing is near. It has no
 * clock: who owns it tells it the time and takes out what is due. Timers are numbers in typed arrays, 20 bytes each, of which the
 * collector of garbage sees nothing.
 *
 * The lanes' time-outs and the delay queue's first tier are two faces of it: the one wants to be called, the other to be asked.
 */
export class TimerWheel<Item> {
  readonly timersMax: number;
  /** First and last timer of each list. */
  readonly #first = new Int32Array(LISTS).fill(NONE);
  readonly #last = new Int32Array(LISTS).fill(NONE);
  #next = new Int32Array(TIMERS_AT_FIRST);
  #before = new Int32Array(TIMERS_AT_FIRST);
  #list = new Int32Array(TIMERS_AT_FIRST).fill(NONE);
  #due = new Float64Array(TIMERS_AT_FIRST);
  readonly #items: (Item | undefined)[] = [];
  /** Handles that were given back, by their `#next`. */
  #free = NONE;
  /** Handles from here on were never given out. */
  #used = 0;
  #count = 0;
  /** How many are in the first wheel, and in the second. */
  #near = 0;
  #middle = 0;
  /** The last millisecond that was looked at. */
  #doneMs: number;

  /**
   * @param nowMs the time of whichever clock the due times are of; monotonic.
   * @param timersMax at most so many timers, 1 to 2^30.
   */
  constructor(nowMs: number, timersMax: number) {
    if (!Number.isInteger(timersMax) || timersMax < 1 || timersMax > 2 ** 30)
      throw new RangeError(`timersMax has to be a whole number from 1 to 2^30, and is ${timersMax}`);
    this.timersMax = timersMax;
    this.#doneMs = Math.floor(nowMs);
  }

  /** How many wait or are due. */
  get count(): number {
    return this.#count;
  }

  /** Adds a timer. `NO_TIMER` when the wheel is full. One whose time is over is due with the next millisecond that passes. */
  add(item: Item, dueMs: number): TimerHandle {
    let timer = this.#free;
    if (timer !== NONE) this.#free = this.#next[timer] ?? NONE;
    else {
      if (this.#used === this.timersMax) return NO_TIMER;
      if (this.#used === this.#due.length) this.#grow();
      timer = this.#used;
      this.#used += 1;
    }
    this.#count += 1;
    this.#items[timer] = item;
    this.#place(timer, dueMs);
    return timer;
  }

  /** Gives a timer another time, whether it waits or is due already. */
  move(timer: TimerHandle, dueMs: number): void {
    this.#unlink(timer);
    this.#place(timer, dueMs);
  }

  /** Takes a timer out, whether it waits or is due already. Its handle stands for nothing any more. */
  remove(timer: TimerHandle): void {
    this.#unlink(timer);
    this.#list[timer] = NONE;
    this.#items[timer] = undefined;
    this.#next[timer] = this.#free;
    this.#free = timer;
    this.#count -= 1;
  }

  /** What was added. */
  item(timer: TimerHandle): Item {
    if ((this.#list[timer] ?? NONE) === NONE) throw new RangeError(`there is no timer ${timer}`);
    return this.#items[timer] as Item;
  }

  /** When a timer is due, of the wheel's clock, ms. */
  dueMs(timer: TimerHandle): number {
    return this.#due[timer] ?? Number.NaN;
  }

  /** Says what time it is: whatever is due by then stands among the due ones afterwards, the longest due first. Never goes back. */
  advance(nowMs: number): void {
    const untilMs = Math.floor(nowMs);
    // Without timers there is nothing to look at, however long it was.
    if (this.#count === 0 && untilMs > this.#doneMs) this.#doneMs = untilMs;
    while (this.#doneMs < untilMs) {
      const boundaryMs = (Math.floor(this.#doneMs / TURN_0_MS) + 1) * TURN_0_MS;
      if (this.#near === 0) {
        this.#doneMs = Math.min(untilMs, boundaryMs);
      } else {
        this.#doneMs += 1;
      }
      if (this.#doneMs === boundaryMs) this.#cascade();
      this.#emptyIntoDue(this.#doneMs % SLOTS_0);
    }
  }

  /** The timer that has been due the longest, by what `advance` was told last; `NO_TIMER` when none is. It stays until it is moved or removed. */
  firstDue(): TimerHandle {
    return this.#first[DUE] ?? NONE;
  }

  /** When `advance` has something to do next, of the wheel's clock: at a timer's time, or when some come near; infinite without timers. */
  wakeAtMs(): number {
    if (this.#count === 0) return Number.POSITIVE_INFINITY;
    if (this.firstDue() !== NO_TIMER) return this.#doneMs;
    let atMs = Number.POSITIVE_INFINITY;
    if (this.#near > 0) {
      atMs = this.#doneMs + 1;
      while ((this.#first[atMs % SLOTS_0] ?? NONE) === NONE) atMs += 1;
    }
    if (this.#middle > 0) {
      let turn = Math.floor(this.#doneMs / TURN_0_MS) + 1;
      while ((this.#first[FIRST_1 + (turn % SLOTS_1)] ?? NONE) === NONE) turn += 1;
      atMs = Math.min(atMs, turn * TURN_0_MS);
    }
    if (this.#near + this.#middle < this.#count) {
      atMs = Math.min(atMs, (Math.floor(this.#doneMs / TURN_1_MS) + 1) * TURN_1_MS);
    }
    return atMs;
  }

  /** The list of a time: always one that is emptied at that time or, in the outer wheels, before it. */
  #listOf(dueAtMs: number): number {
    if (dueAtMs - this.#doneMs < TURN_0_MS) {
      this.#near += 1;
      return dueAtMs % SLOTS_0;
    }
    const turn = Math.floor(dueAtMs / TURN_0_MS);
    if (turn - Math.floor(this.#doneMs / TURN_0_MS) < SLOTS_1) {
      this.#middle += 1;
      return FIRST_1 + (turn % SLOTS_1);
    }
    const doneTurn = Math.floor(this.#doneMs / TURN_1_MS);
    return FIRST_2 + (Math.min(Math.floor(dueAtMs / TURN_1_MS), doneTurn + SLOTS_2 - 1) % SLOTS_2);
  }

  #place(timer: number, dueMs: number): void {
    this.#due[timer] = dueMs;
    this.#append(timer, this.#listOf(Math.max(this.#doneMs + 1, Math.ceil(dueMs))));
  }

  #append(timer: number, list: number): void {
    const last = this.#last[list] ?? NONE;
    this.#list[timer] = list;
    this.#before[timer] = last;
    this.#next[timer] = NONE;
    if (last === NONE) this.#first[list] = timer;
    else this.#next[last] = timer;
    this.#last[list] = timer;
  }

  #unlink(timer: number): void {
    const list = this.#list[timer] ?? NONE;
    if (list === NONE) throw new RangeError(`there is no timer ${timer}`);
    const next = this.#next[timer] ?? NONE;
    const before = this.#before[timer] ?? NONE;
    if (before === NONE) this.#first[list] = next;
    else this.#next[before] = next;
    if (next === NONE) this.#last[list] = before;
    else this.#before[next] = before;
    if (list < FIRST_1) this.#near -= 1;
    else if (list < FIRST_2) this.#middle -= 1;
  }

  #emptyIntoDue(list: number): void {
    for (let timer = this.#first[list] ?? NONE; timer !== NONE; timer = this.#first[list] ?? NONE) {
      this.#unlink(timer);
      this.#append(timer, DUE);
    }
  }

  /** What has come near is placed again, nearer; called at each end of the first wheel's turn. */
  #cascade(): void {
    if (this.#doneMs % TURN_1_MS === 0) this.#placeAgain(FIRST_2 + (Math.floor(this.#doneMs / TURN_1_MS) % SLOTS_2));
    this.#placeAgain(FIRST_1 + (Math.floor(this.#doneMs / TURN_0_MS) % SLOTS_1));
  }

  #placeAgain(list: number): void {
    for (let timer = this.#first[list] ?? NONE; timer !== NONE; timer = this.#first[list] ?? NONE) {
      this.#unlink(timer);
      const dueAtMs = Math.ceil(this.#due[timer] ?? 0);
      this.#append(timer, dueAtMs <= this.#doneMs ? DUE : this.#listOf(dueAtMs));
    }
  }

  #grow(): void {
    const capacity = Math.min(this.timersMax, this.#due.length * 2);
    const grown = (from: Int32Array): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(capacity).fill(NONE, from.length);
      to.set(from);
      return to;
    };
    this.#next = grown(this.#next);
    this.#before = grown(this.#before);
    this.#list = grown(this.#list);
    const due = new Float64Array(capacity);
    due.set(this.#due);
    this.#due = due;
  }
}
