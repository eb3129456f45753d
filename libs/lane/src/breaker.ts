import { RollingCounts } from './rolling-counts.ts';

export type BreakerState = 'closed' | 'open' | 'half_open';

/** Who decides: the breaker by what it sees, or an operator. */
export type BreakerControl = 'auto' | 'forced_open' | 'forced_closed';

/** Why it opened by itself. */
export type OpenCause = 'failures' | 'slow' | 'stalled';

/** What a call has shown of the neighbour. */
export type Verdict = 'healthy' | 'slow' | 'sick' | 'nothing';

export type BreakerConfig = {
  /** Opens when more than this share of the calls of the last seconds failed. Above 0, below 1. */
  readonly failureShareMax: number;
  /** Opens when more than this share of them took longer than `slowMs`. Above 0, at most 1; 1 never does. */
  readonly slowShareMax: number;
  /** No opinion before this many calls. */
  readonly callsMin: number;
  /** From opening to the first probe, ms. */
  readonly halfOpenAfterMs: number;
};

/** Results older than this have no say. */
const WINDOW_SECONDS = 10;
const [HEALTHY, SLOW, SICK] = [0, 1, 2];
/** In answer to a request for a permit. */
const REFUSED = -1;

/**
 * Opens after failures, and lets calls through again step by step. Results are numbered by era: one of an earlier era changes
 * nothing, whatever it says. In half-open a growing number of calls may be out, everybody else is refused at once. Time is
 * monotonic and given by who asks.
 */
export class Breaker {
  readonly #config: BreakerConfig;
  readonly #onChange: (state: BreakerState, cause: OpenCause | undefined) => void;
  readonly #counts: RollingCounts;
  #state: BreakerState = 'closed';
  #control: BreakerControl = 'auto';
  #cause: OpenCause | undefined;
  #era = 0;
  #openedAtMs = 0;
  /** In half-open: calls that may be out, calls that are, and whether a probe has to say first that the neighbour is well. */
  #permits = 0;
  #out = 0;
  #permitsToClose = 1;
  #awaitsProbe = false;
  #halfOpenSinceMs = Number.NEGATIVE_INFINITY;

  constructor(
    config: BreakerConfig,
    nowMs: number,
    onChange: (state: BreakerState, cause: OpenCause | undefined) => void,
  ) {
    this.#config = config;
    this.#onChange = onChange;
    this.#counts = new RollingCounts(3, WINDOW_SECONDS, nowMs);
  }

  get control(): BreakerControl {
    return this.#control;
  }

  get era(): number {
    return this.#era;
  }

  /** Why it is open or half-open; undefined while it is closed. */
  get cause(): OpenCause | undefined {
    return this.#cause;
  }

  /** When it began to let calls through again, of the monotonic clock. */
  get halfOpenSinceMs(): number {
    return this.#halfOpenSinceMs;
  }

  /** What its callers see; an operator's word stands above what it has seen itself. */
  state(nowMs: number): BreakerState {
    if (this.#control === 'forced_open') return 'open';
    if (this.#control === 'forced_closed') return 'closed';
    return this.#isDue(nowMs) ? 'half_open' : this.#state;
  }

  /** True where `acquire` would refuse: a call that waited for a place first would wait for nothing. */
  isRefusing(nowMs: number): boolean {
    if (this.#control !== 'auto') return this.#control === 'forced_open';
    switch (this.#state) {
      case 'closed':
        return false;
      case 'open':
        return !this.#isDue(nowMs);
      case 'half_open':
        return this.#awaitsProbe || this.#out >= this.#permits;
    }
  }

  /** The era of a call that may go, -1 where it may not. Whoever got one gives its end to `record`. */
  acquire(nowMs: number): number {
    if (this.isRefusing(nowMs)) return REFUSED;
    if (this.#control === 'forced_closed') return this.#era;
    if (this.#state === 'open') this.#enter('half_open', nowMs, this.#cause);
    if (this.#state === 'half_open') this.#out += 1;
    return this.#era;
  }

  /** How a call ended. One of an earlier era changes nothing. */
  record(era: number, verdict: Verdict, nowMs: number): void {
    if (era !== this.#era) {
      // What was under way when nothing came back any more comes back after all: it is worth a look now.
      if (verdict === 'healthy' && this.#cause === 'stalled' && this.#state === 'open') {
        this.#openedAtMs = nowMs - this.#config.halfOpenAfterMs;
      }
      return;
    }
    if (this.#state === 'half_open') {
      this.#out = Math.max(0, this.#out - 1);
      if (verdict === 'sick') this.open(this.#cause ?? 'failures', nowMs);
      else if (verdict !== 'nothing') this.#grow(nowMs);
      return;
    }
    if (this.#state === 'closed' && verdict !== 'nothing') this.#count(verdict, nowMs);
  }

  /** Opens because of what its lane has seen of calls under way. */
  open(cause: OpenCause, nowMs: number): void {
    this.#enter('open', nowMs, cause);
  }

  /** Becomes half-open and waits for a probe's word; nothing where it is not due. */
  awaitProbe(nowMs: number): boolean {
    if (!this.#isDue(nowMs)) return false;
    this.#enter('half_open', nowMs, this.#cause);
    this.#awaitsProbe = true;
    return true;
  }

  /** The probe's word. `undefined`: there was nothing to ask, a call has to be the probe. */
  probed(era: number, isWell: boolean | undefined, nowMs: number): void {
    if (era !== this.#era || !this.#awaitsProbe) return;
    this.#awaitsProbe = false;
    if (isWell === false) this.open(this.#cause ?? 'failures', nowMs);
  }

  /** @param permits how many calls at once the neighbour has when it is well: with so many it is closed. */
  setPermitsToClose(permits: number): void {
    this.#permitsToClose = Math.max(1, permits);
  }

  /** An operator's switch. What it had seen before holds again afterwards: a break is not lost. */
  setControl(control: BreakerControl, nowMs: number): void {
    this.#control = control;
    this.#onChange(this.state(nowMs), this.#cause);
  }

  #isDue(nowMs: number): boolean {
    return this.#state === 'open' && nowMs - this.#openedAtMs >= this.#config.halfOpenAfterMs;
  }

  #grow(nowMs: number): void {
    // One more for each that came back well: twice as many in each round.
    this.#permits += 1;
    if (this.#permits > this.#permitsToClose) this.#enter('closed', nowMs, undefined);
  }

  #count(verdict: 'healthy' | 'slow' | 'sick', nowMs: number): void {
    this.#counts.add(verdict === 'sick' ? SICK : verdict === 'slow' ? SLOW : HEALTHY, nowMs);
    if (verdict === 'healthy' || this.#control === 'forced_closed') return;
    const sick = this.#counts.sum(SICK, nowMs);
    const slow = this.#counts.sum(SLOW, nowMs);
    const all = this.#counts.sum(HEALTHY, nowMs) + sick + slow;
    if (all < this.#config.callsMin) return;
    if (sick > this.#config.failureShareMax * all) this.open('failures', nowMs);
    else if (sick + slow > this.#config.slowShareMax * all) this.open('slow', nowMs);
  }

  #enter(state: BreakerState, nowMs: number, cause: OpenCause | undefined): void {
    this.#state = state;
    this.#cause = cause;
    this.#era += 1;
    this.#awaitsProbe = false;
    if (state === 'open') this.#openedAtMs = nowMs;
    if (state === 'half_open') {
      this.#permits = 1;
      this.#out = 0;
      this.#halfOpenSinceMs = nowMs;
    }
    if (state === 'closed') this.#counts.clear();
    this.#onChange(this.state(nowMs), cause);
  }
}
