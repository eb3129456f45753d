import { type Cancel, type Clock, sleepWith } from './clock.ts';

interface Waiting {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is told to move. */
export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #order = 0;
  readonly #waiting = new Set<Waiting>();

  /** @param startMs wall clock at the start, in ms since 1970. */
  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, callback: () => void): Cancel {
    const entry: Waiting = { dueMs: this.#monotonicMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#waiting.add(entry);
    return () => this.#waiting.delete(entry);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepWith((ms, callback) => this.after(ms, callback), delayMs, signal);
  }

  /** How many callbacks wait. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Moves the wall clock alone, as NTP or a person would. */
  stepWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** Moves both clocks and runs nothing: the process stood still, and what fell due comes late, with the next advance. */
  jump(byMs: number): void {
    this.#wallMs += byMs;
    this.#monotonicMs += byMs;
  }

  /** Moves both clocks and runs what falls due, in order; lets promises run between callbacks. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#monotonicMs + byMs;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = [...this.#waiting]
        .filter((entry) => entry.dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#waiting.delete(next);
      // Less than nothing where it was due during a jump: clocks do not go back.
      const afterMs = Math.max(0, next.dueMs - this.#monotonicMs);
      this.#wallMs += afterMs;
      this.#monotonicMs += afterMs;
      next.callback();
    }
    this.#wallMs += endMs - this.#monotonicMs;
    this.#monotonicMs = endMs;
  }
}
