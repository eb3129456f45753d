import type { Clock } from '@tillmesh/clock';
import { CircuitState, CountBreaker } from 'cockatiel';

export type BreakerState = 'closed' | 'open' | 'half_open';

export type BreakerConfig = {
  /** Calls that are looked at, the latest first. 1 to 1,000. */
  readonly window: number;
  /** Opens when more than this share of them failed. Above 0, below 1. */
  readonly failureShareMax: number;
  /** No opinion before this many calls. */
  readonly callsMin: number;
  /** From opening to the first probe, ms. */
  readonly halfOpenAfterMs: number;
  /** Samples older than this are forgotten when nothing was called for as long, ms. */
  readonly idleForgetMs: number;
};

/** The right to make one call; tells the breaker how it went. */
export type BreakerPermit = { readonly era: number; readonly probe: boolean };

/**
 * Opens after failures, lets one probe through after a while. On cockatiel's CountBreaker, whose counting is right, without its
 * CircuitBreakerPolicy, which lets late results of an earlier era act on a half-open circuit and makes excess callers wait
 * without bound (docs/decisions/0003-lane-on-cockatiel.md).
 */
export class Breaker {
  readonly #config: BreakerConfig;
  readonly #clock: Clock;
  readonly #onChange: (state: BreakerState) => void;
  #strategy: CountBreaker;
  #state: BreakerState = 'closed';
  #era = 0;
  #openedAtMs = 0;
  #probeOut = false;
  #lastSampleMs: number;

  constructor(config: BreakerConfig, clock: Clock, onChange: (state: BreakerState) => void) {
    this.#config = config;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#strategy = this.#newStrategy();
    this.#lastSampleMs = clock.monotonicMs();
  }

  get state(): BreakerState {
    const waited = this.#clock.monotonicMs() - this.#openedAtMs;
    return this.#state === 'open' && waited >= this.#config.halfOpenAfterMs ? 'half_open' : this.#state;
  }

  /** True where tryAcquire would give none: a call that waited for a place first would wait for nothing. */
  get isRefusing(): boolean {
    const { state } = this;
    return state === 'open' || (state === 'half_open' && this.#probeOut);
  }

  /** A permit, or undefined where calls are to be refused now. */
  tryAcquire(): BreakerPermit | undefined {
    const state = this.state;
    if (state === 'closed') return { era: this.#era, probe: false };
    if (state === 'open' || this.#probeOut) return undefined;
    if (this.#state === 'open') this.#enter('half_open');
    this.#probeOut = true;
    return { era: this.#era, probe: true };
  }

  /** The permit was not used: nothing is known. */
  giveBack(permit: BreakerPermit): void {
    if (permit.probe && permit.era === this.#era) this.#probeOut = false;
  }

  /** How the call went. A result of an earlier era changes nothing. */
  record(permit: BreakerPermit, healthy: boolean): void {
    if (permit.era !== this.#era) return;
    if (permit.probe) {
      this.#probeOut = false;
      this.#enter(healthy ? 'closed' : 'open');
      return;
    }
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lastSampleMs > this.#config.idleForgetMs) this.#strategy = this.#newStrategy();
    this.#lastSampleMs = nowMs;
    if (healthy) this.#strategy.success(CircuitState.Closed);
    else if (this.#strategy.failure(CircuitState.Closed)) this.#enter('open');
  }

  #enter(state: BreakerState): void {
    this.#state = state;
    this.#era += 1;
    if (state === 'open') this.#openedAtMs = this.#clock.monotonicMs();
    if (state === 'closed') this.#strategy = this.#newStrategy();
    this.#onChange(state);
  }

  #newStrategy(): CountBreaker {
    const { failureShareMax, window, callsMin } = this.#config;
    return new CountBreaker({ threshold: failureShareMax, size: window, minimumNumberOfCalls: callsMin });
  }
}
