import type { Clock } from '@tillmesh/clock';

export type CircuitState = 'closed' | 'open' | 'probing';

export type CircuitConfig = {
  /** So many failures within the window close the group to new orders. */
  readonly failuresToOpen: number;
  /** The failure counter's period, ms. The published design uses one minute. */
  readonly windowMs: number;
};

/** The failure counter of a group: while it is open, new orders avoid the group. One probe that was really written ends that. */
export class GroupCircuit {
  readonly #config: CircuitConfig;
  readonly #clock: Clock;
  #failuresAtMs: number[] = [];
  #state: CircuitState = 'closed';
  #lastFailure = '';

  constructor(config: CircuitConfig, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
  }

  get state(): CircuitState {
    return this.#state;
  }

  get lastFailure(): string {
    return this.#lastFailure;
  }

  /** Failures within the window. */
  recentFailures(): number {
    const fromMs = this.#clock.monotonicMs() - this.#config.windowMs;
    this.#failuresAtMs = this.#failuresAtMs.filter((atMs) => atMs > fromMs);
    return this.#failuresAtMs.length;
  }

  /** True where this failure opened the circuit. */
  recordFailure(code: string): boolean {
    this.#lastFailure = code;
    this.#failuresAtMs.push(this.#clock.monotonicMs());
    // The counter needs no more than decides.
    if (this.#failuresAtMs.length > this.#config.failuresToOpen * 4) this.#failuresAtMs.shift();
    if (this.#state !== 'closed' || this.recentFailures() < this.#config.failuresToOpen) return false;
    this.#state = 'open';
    return true;
  }

  /** Keeps new orders away until a probe was written: a node that has just become primary may still refuse. */
  requireProbe(reason: string): void {
    this.#lastFailure = reason;
    this.#state = 'open';
  }

  /** A probe begins. */
  beginProbe(): void {
    if (this.#state === 'open') this.#state = 'probing';
  }

  /** The probe was written and acknowledged: new orders may come again. */
  probeSucceeded(): void {
    this.#failuresAtMs = [];
    this.#state = 'closed';
  }

  probeFailed(code: string): void {
    this.#lastFailure = code;
    this.#state = 'open';
  }
}
