import { type Clock, NO_TIMER } from '@tillmesh/clock';
import { Breaker, type BreakerControl, type BreakerState, type OpenCause, type Verdict } from './breaker.ts';
import { FairQueue } from './fair-queue.ts';
import { Ages, CallInLane, type CallOwner } from './lane-call.ts';
import { assertConfig, assertLimits, type LaneCall, type LaneConfig, type LaneLimits } from './lane-config.ts';
import { type CallEnd, LaneNumbers } from './lane-numbers.ts';
import { type LaneReading, readingOf } from './lane-reading.ts';
import { LaneRejected, LaneTimeout, type RejectionCause } from './lane-rejected.ts';
import { MerchantShares } from './merchant-shares.ts';
import { isStalled } from './stall-rules.ts';
import { type Timed, type TimeOuts, timeOutsOf } from './time-outs.ts';
import { UsualConcurrency } from './usual-concurrency.ts';

/**
 * Asks the neighbour something that changes nothing, to see whether it is well. Undefined where there is nothing to ask: then a
 * call is the probe.
 */
export type Probe = (signal: AbortSignal) => Promise<boolean> | undefined;

const WATCH_EVERY_MS = 100;
/** What the watch comes later than this is a pause of our own process, not of the neighbour. */
const OWN_PAUSE_MS = 50;
/** Fewer calls in a minute or two say nothing of what is usual. */
const USUAL_CALLS_MIN = 20;
/** After a break the neighbour gets at most this much more than what is usual, for so long. */
const AFTERWARDS_FACTOR = 1.2;
const AFTERWARDS_MS = 5_000;
/** How long a probe may take where nothing is known of usual times. */
const PROBE_MS_MAX = 2_000;
const PROBE_FACTOR = 3;
const NO_OPTIONS: LaneCall = {};

/**
 * One bounded way to one neighbour: a slot stands for a request that is really outstanding, a fair queue with a deadline stands in
 * front, a breaker refuses while the neighbour is sick or answers nothing, and a hard time-out ends what takes too long.
 */
export class Lane implements CallOwner {
  readonly #config: LaneConfig;
  #limits: LaneLimits;
  readonly #clock: Clock;
  readonly #timeOuts: TimeOuts;
  readonly #breaker: Breaker;
  readonly #queue: FairQueue;
  readonly #shares: MerchantShares;
  readonly #numbers: LaneNumbers;
  readonly #usual: UsualConcurrency;
  readonly #ages = new Ages();
  readonly #rejected: Readonly<Record<RejectionCause, LaneRejected>>;
  readonly #watch: Timed;
  readonly #probeTimer: Timed;
  readonly #stallMsMin: number;
  readonly #slowMs: number;
  #probe: Probe | undefined;
  #inFlight = 0;
  /** Of those, the ones that began after the breaker's last change; and the oldest of them. */
  #eraInFlight = 0;
  #eraOldest: CallInLane | undefined;
  #lifeAtMs: number;
  /** When the youngest call began that has shown a sign of life: those after it are silent without exception. */
  #aliveStartMs = Number.NEGATIVE_INFINITY;
  #watchedAtMs = 0;

  constructor(config: LaneConfig, clock: Clock) {
    assertConfig(config);
    const { concurrentMax, queuedMax, queueWaitMsMax, timeoutMs } = config;
    const nowMs = clock.monotonicMs();
    this.#config = config;
    this.#limits = { concurrentMax, queuedMax, queueWaitMsMax, timeoutMs };
    this.#clock = clock;
    this.#timeOuts = timeOutsOf(clock);
    this.#rejected = LaneRejected.preallocate(config.name);
    this.#stallMsMin = config.stallMsMin ?? 1_000;
    this.#slowMs = config.slowMs ?? Number.POSITIVE_INFINITY;
    this.#queue = new FairQueue((merchant) => config.merchantWeights?.[merchant] ?? 1);
    this.#shares = new MerchantShares(config.merchantShareMax ?? 0.75);
    this.#numbers = new LaneNumbers(nowMs);
    this.#usual = new UsualConcurrency(nowMs);
    this.#lifeAtMs = nowMs;
    this.#breaker = new Breaker(
      {
        failureShareMax: config.failureShareMax ?? 0.5,
        slowShareMax: config.slowShareMax ?? 1,
        callsMin: config.callsMin ?? 10,
        halfOpenAfterMs: config.halfOpenAfterMs,
      },
      nowMs,
      (state, cause) => this.#onBreaker(state, cause),
    );
    this.#watch = timed(() => this.#look());
    this.#probeTimer = timed(() => this.#startProbe());
  }

  get name(): string {
    return this.#config.name;
  }

  /** As they are now. */
  get limits(): LaneLimits {
    return this.#limits;
  }

  /**
   * Runs `work` in the lane. `work` must honour its signal: its slot is free only when its promise has settled.
   *
   * Rejects with LaneRejected before anything was sent; with LaneTimeout when the time was up, and what was sent may have
   * arrived; with the signal's reason when the caller went away while it waited; otherwise as `work` does.
   */
  run<T>(work: (signal: AbortSignal) => Promise<T>, options: LaneCall = NO_OPTIONS): Promise<T> {
    const { signal, budgetMs = Number.POSITIVE_INFINITY } = options;
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const nowMs = this.#clock.monotonicMs();
    if (budgetMs <= 0) return this.#refuse('no_time_left', nowMs);
    if (this.#breaker.isRefusing(nowMs)) return this.#refuse('open', nowMs);
    const merchant = options.merchant ?? '';
    this.#shares.came(merchant, nowMs);
    const startsNow = this.#inFlight < this.#placesNow(nowMs) && this.#mayStart(merchant, nowMs);
    if (!startsNow) {
      const cause = this.#whyNotQueue(merchant, nowMs);
      if (cause !== undefined) return this.#refuse(cause, nowMs);
    }
    return new Promise<T>((resolve, reject) => {
      const call = new CallInLane(this, work, options, nowMs, { resolve, reject });
      if (signal !== undefined) signal.addEventListener('abort', call);
      if (startsNow) {
        this.#inFlight += 1;
        this.#begin(call, nowMs);
      } else this.#wait(call, nowMs);
    });
  }

  /** What its callers meet now; cheaper than a reading. */
  get health(): { readonly breaker: BreakerState; readonly stalled: boolean } {
    return { breaker: this.#breaker.state(this.#clock.monotonicMs()), stalled: this.#breaker.cause === 'stalled' };
  }

  /** What this share of calls has not taken longer than in the last minute or two, while the neighbour was well, ms; undefined while too few are known. */
  usualMs(share: number): number | undefined {
    const nowMs = this.#clock.monotonicMs();
    const { usual } = this.#numbers;
    return usual.count(nowMs) < USUAL_CALLS_MIN ? undefined : usual.percentile(share, nowMs);
  }

  /** What the lane does now, and what it did in the last ten seconds. */
  reading(): LaneReading {
    const nowMs = this.#clock.monotonicMs();
    const oldest = this.#ages.oldest;
    return readingOf(this.#numbers, nowMs, {
      name: this.#config.name,
      inFlight: this.#inFlight,
      queued: this.#queue.count,
      ...this.#limits,
      breaker: this.#breaker.state(nowMs),
      control: this.#breaker.control,
      stalled: this.#breaker.cause === 'stalled',
      oldestInFlightMs: oldest === undefined ? 0 : nowMs - oldest.startedAtMs,
    });
  }

  /** Counts since the lane was made; for metrics. */
  get numbers(): LaneNumbers {
    return this.#numbers;
  }

  /**
   * Changes limits while the lane works. Calls under way stay, also where fewer may be from now on; waiting ones get new places.
   *
   * @throws {LaneLimitsInvalid} the limits stay as they were.
   */
  change(limits: Partial<LaneLimits>): void {
    const next = { ...this.#limits, ...limits };
    assertLimits(this.#config.name, next);
    this.#limits = next;
    this.#admit(this.#clock.monotonicMs());
  }

  /** An operator's switch. What the breaker had seen before holds again when it decides by itself again. */
  setControl(control: BreakerControl): void {
    this.#breaker.setControl(control, this.#clock.monotonicMs());
  }

  /** What is asked before calls go through again after a break. */
  setProbe(probe: Probe): void {
    this.#probe = probe;
  }

  onCallDue(call: CallInLane): void {
    const nowMs = this.#clock.monotonicMs();
    if (call.phase === 'waiting') this.#leaveQueue(call, 'queue_wait_too_long', nowMs);
    else if (call.phase === 'running') {
      const tookMs = Math.round(call.dueMs - call.startedAtMs);
      const timeout = new LaneTimeout(`lane ${this.#config.name}: no answer within ${tookMs} ms`);
      this.#conclude(call, 'timed_out', nowMs);
      call.settle.reject(timeout);
      call.controller?.abort(timeout);
    }
  }

  onCallAborted(call: CallInLane): void {
    const reason: unknown = call.options.signal?.reason;
    if (call.phase === 'waiting') {
      this.#queue.remove(call);
      this.#over(call);
      call.settle.reject(reason);
    } else call.controller?.abort(reason);
  }

  #refuse(cause: RejectionCause, nowMs: number): Promise<never> {
    this.#numbers.rejected(cause, nowMs);
    return Promise.reject(this.#rejected[cause]);
  }

  /** Places that may be taken now: after a break not at one blow more than the neighbour usually has. */
  #placesNow(nowMs: number): number {
    const { concurrentMax } = this.#limits;
    if (nowMs - this.#breaker.halfOpenSinceMs >= AFTERWARDS_MS || this.#breaker.control !== 'auto')
      return concurrentMax;
    const older = this.#inFlight - this.#eraInFlight;
    return Math.min(concurrentMax, older + Math.max(1, Math.floor(this.#usual.value * AFTERWARDS_FACTOR)));
  }

  #mayStart(merchant: string, nowMs: number): boolean {
    return this.#shares.mayTake(merchant, this.#limits.concurrentMax, nowMs);
  }

  /** Undefined where the call may wait. Makes room for a merchant that has less than its share of the queue. */
  #whyNotQueue(merchant: string, nowMs: number): RejectionCause | undefined {
    const { queuedMax } = this.#limits;
    if (queuedMax === 0) return 'full';
    const own = this.#queue.countOf(merchant);
    if (this.#queue.count < queuedMax) {
      return own < this.#shares.mostOf(merchant, queuedMax, nowMs) ? undefined : 'merchant_share';
    }
    if (own + 1 > queuedMax / (this.#queue.merchants + 1)) return 'full';
    const evicted = this.#queue.newestOfGreediest();
    // The idle share that was lent is taken back.
    if (!(evicted instanceof CallInLane)) return 'full';
    this.#leaveQueue(evicted, 'merchant_share', nowMs);
    return undefined;
  }

  #wait(call: CallInLane, nowMs: number): void {
    call.phase = 'waiting';
    call.dueMs = nowMs + Math.min(this.#limits.queueWaitMsMax, call.options.budgetMs ?? Number.POSITIVE_INFINITY);
    this.#queue.push(call);
    this.#timeOuts.add(call, nowMs);
  }

  #leaveQueue(call: CallInLane, cause: RejectionCause, nowMs: number): void {
    this.#queue.remove(call);
    this.#over(call);
    this.#numbers.rejected(cause, nowMs);
    call.settle.reject(this.#rejected[cause]);
  }

  /** The call is out of queue and wheel and hears of its caller no more. */
  #over(call: CallInLane): void {
    call.phase = 'concluded';
    this.#timeOuts.remove(call);
    call.options.signal?.removeEventListener('abort', call);
  }

  /** The call has its place. */
  #begin(call: CallInLane, nowMs: number): void {
    const era = this.#breaker.acquire(nowMs);
    if (era < 0) {
      this.#over(call);
      this.#freeSlot(nowMs);
      this.#numbers.rejected('open', nowMs);
      call.settle.reject(this.#rejected.open);
      return;
    }
    const budgetMs = (call.options.budgetMs ?? Number.POSITIVE_INFINITY) - (nowMs - call.cameAtMs);
    call.era = era;
    call.phase = 'running';
    call.startedAtMs = nowMs;
    call.dueMs = nowMs + Math.min(this.#limits.timeoutMs, budgetMs);
    const controller = new AbortController();
    call.controller = controller;
    this.#ages.add(call);
    // Nothing under way: that nothing has come back until now says nothing.
    if (this.#eraInFlight === 0) {
      this.#eraOldest = call;
      this.#lifeAtMs = nowMs;
    }
    this.#eraInFlight += 1;
    this.#shares.took(call.merchant);
    this.#usual.see(this.#inFlight, nowMs);
    this.#timeOuts.add(call, nowMs);
    if (this.#watch.timer === NO_TIMER) this.#armWatch(nowMs);
    let running: Promise<unknown>;
    try {
      running = call.work(controller.signal);
    } catch (error) {
      running = Promise.reject(error);
    }
    running.then(
      (answer) => this.#onAnswer(call, answer),
      (error: unknown) => this.#onError(call, error),
    );
  }

  #onAnswer(call: CallInLane, answer: unknown): void {
    const nowMs = this.#clock.monotonicMs();
    if (call.phase === 'running') {
      const isSick = judge(() => call.options.isSickAnswer?.(answer as never) ?? false, false);
      this.#conclude(call, isSick ? 'sick' : 'succeeded', nowMs);
    }
    this.#leaveSlot(call, nowMs);
    call.settle.resolve(answer);
  }

  #onError(call: CallInLane, error: unknown): void {
    const nowMs = this.#clock.monotonicMs();
    if (call.phase === 'running') {
      const isSick = () => call.options.isSick?.(error) ?? true;
      this.#conclude(call, call.isGone ? 'abandoned' : judge(isSick, true) ? 'failed' : 'declined', nowMs);
    }
    this.#leaveSlot(call, nowMs);
    call.settle.reject(error);
  }

  /** What the caller hears is what the breaker hears: the time-out or the end of the work, whichever comes first. */
  #conclude(call: CallInLane, end: CallEnd, nowMs: number): void {
    this.#over(call);
    const tookMs = nowMs - call.startedAtMs;
    this.#numbers.ended(end, tookMs, nowMs);
    // What began before the breaker's last change says nothing of now.
    if (call.era === this.#breaker.era && end !== 'timed_out' && end !== 'abandoned') {
      this.#lifeAtMs = nowMs;
      if (call.startedAtMs > this.#aliveStartMs) this.#aliveStartMs = call.startedAtMs;
      if (end === 'succeeded' || end === 'declined') this.#numbers.wasUsual(tookMs, nowMs);
    }
    this.#breaker.record(call.era, verdictOf(end, tookMs > this.#slowMs), nowMs);
  }

  /** The breaker knows before the slot is free: who waits for the slot is to see what the call before it has learned. */
  #leaveSlot(call: CallInLane, nowMs: number): void {
    if (this.#eraOldest === call) this.#eraOldest = call.youngerCall;
    if (call.era === this.#breaker.era || this.#eraInFlight > this.#inFlight - 1) {
      this.#eraInFlight = Math.max(0, this.#eraInFlight - 1);
    }
    this.#ages.remove(call);
    this.#shares.gaveBack(call.merchant);
    this.#freeSlot(nowMs);
  }

  #freeSlot(nowMs: number): void {
    this.#inFlight -= 1;
    this.#admit(nowMs);
  }

  /** Gives free places to who waits; a place goes over without ever being free for somebody else. */
  #admit(nowMs: number): void {
    while (this.#queue.count > 0 && this.#inFlight < this.#placesNow(nowMs)) {
      const waiter = this.#queue.shift((merchant) => this.#mayStart(merchant, nowMs));
      if (!(waiter instanceof CallInLane)) return;
      this.#timeOuts.remove(waiter);
      const waitedMs = nowMs - waiter.cameAtMs;
      this.#numbers.waited(waitedMs, nowMs);
      if (waitedMs >= (waiter.options.budgetMs ?? Number.POSITIVE_INFINITY)) {
        this.#leaveQueue(waiter, 'no_time_left', nowMs);
        continue;
      }
      this.#inFlight += 1;
      this.#begin(waiter, nowMs);
    }
  }

  #onBreaker(state: BreakerState, cause: OpenCause | undefined): void {
    const nowMs = this.#clock.monotonicMs();
    // What is under way goes on, and belongs to the time before.
    this.#eraInFlight = 0;
    this.#eraOldest = undefined;
    this.#lifeAtMs = nowMs;
    if (state !== 'open') return;
    if (cause !== undefined) this.#usual.forgetLatest(nowMs);
    this.#breaker.setPermitsToClose(this.#usual.value);
    if (this.#probe !== undefined && cause !== undefined) {
      this.#timeOuts.remove(this.#probeTimer);
      this.#probeTimer.dueMs = nowMs + this.#config.halfOpenAfterMs;
      this.#timeOuts.add(this.#probeTimer, nowMs);
    }
    // Nobody waits for a place that would be refused.
    for (let waiter = this.#queue.shift(() => true); waiter !== undefined; waiter = this.#queue.shift(() => true)) {
      if (waiter instanceof CallInLane) this.#leaveQueue(waiter, 'open', nowMs);
    }
  }

  #armWatch(nowMs: number): void {
    this.#watchedAtMs = nowMs;
    this.#watch.dueMs = nowMs + WATCH_EVERY_MS;
    this.#timeOuts.add(this.#watch, nowMs);
  }

  /** Looks at the age of what is under way. */
  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    const lateMs = nowMs - this.#watchedAtMs - WATCH_EVERY_MS;
    if (lateMs > OWN_PAUSE_MS) this.#lifeAtMs = Math.min(nowMs, this.#lifeAtMs + lateMs);
    if (this.#inFlight > 0) this.#armWatch(nowMs);
    if (this.#breaker.control !== 'auto' || this.#eraInFlight === 0) return;
    const state = this.#breaker.state(nowMs);
    if (state === 'half_open') {
      // A probe that takes far longer than calls usually do has told enough; its caller goes on waiting for it.
      const probeMs = this.#probeMs(nowMs);
      if (nowMs - this.#lifeAtMs > probeMs && this.#ageOf(0, nowMs) > probeMs) {
        this.#breaker.open(this.#breaker.cause ?? 'stalled', nowMs);
      }
      return;
    }
    if (state !== 'closed') return;
    const { usual } = this.#numbers;
    const stalled = isStalled(
      {
        sinceLifeMs: nowMs - this.#lifeAtMs,
        inFlight: this.#eraInFlight,
        concurrentMax: this.#limits.concurrentMax,
        ageOf: (place) => this.#ageOf(place, nowMs),
        silentSince: (ageMs) => this.#silentSince(ageMs, nowMs),
        known: usual.count(nowMs),
        shareAbove: (ms) => usual.shareAbove(ms, nowMs),
      },
      { stallMsMin: this.#stallMsMin },
    );
    if (stalled) this.#breaker.open('stalled', nowMs);
  }

  #ageOf(place: number, nowMs: number): number {
    let call = this.#eraOldest;
    for (let older = 0; older < place && call !== undefined; older += 1) call = call.youngerCall;
    return call === undefined ? 0 : nowMs - call.startedAtMs;
  }

  /** Calls at least so old that began after every one that has shown a sign of life. */
  #silentSince(ageMs: number, nowMs: number): number {
    let silent = 0;
    for (let call = this.#eraOldest; call !== undefined; call = call.youngerCall) {
      if (nowMs - call.startedAtMs < ageMs) break;
      if (call.startedAtMs > this.#aliveStartMs) silent += 1;
    }
    return silent;
  }

  #probeMs(nowMs: number): number {
    const { usual } = this.#numbers;
    if (usual.count(nowMs) < USUAL_CALLS_MIN) return Math.max(this.#stallMsMin, PROBE_MS_MAX);
    return Math.min(this.#limits.timeoutMs, Math.max(this.#stallMsMin, PROBE_FACTOR * usual.percentile(0.99, nowMs)));
  }

  #startProbe(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#probe === undefined || this.#breaker.control !== 'auto' || !this.#breaker.awaitProbe(nowMs)) return;
    const { era } = this.#breaker;
    const controller = new AbortController();
    const timer = timed(() => controller.abort(new Error('the probe took too long')));
    const say = (isWell: boolean | undefined) => {
      this.#timeOuts.remove(timer);
      this.#breaker.probed(era, isWell, this.#clock.monotonicMs());
    };
    const late = new Promise<false>((resolve) => controller.signal.addEventListener('abort', () => resolve(false)));
    timer.dueMs = nowMs + this.#probeMs(nowMs);
    this.#timeOuts.add(timer, nowMs);
    try {
      const asked = this.#probe(controller.signal);
      if (asked === undefined) say(undefined);
      else Promise.race([asked, late]).then(say, () => say(false));
    } catch {
      say(false);
    }
  }
}

const timed = (onDue: () => void): Timed => ({
  dueMs: 0,
  timer: NO_TIMER,
  onDue,
});

const verdictOf = (end: CallEnd, isSlow: boolean): Verdict => {
  if (end === 'abandoned') return 'nothing';
  if (end === 'succeeded' || end === 'declined') return isSlow ? 'slow' : 'healthy';
  return 'sick';
};

// A judgement that throws must neither replace an answer nor keep a probe's permit for ever.
const judge = (isSick: () => boolean, otherwise: boolean): boolean => {
  try {
    return isSick();
  } catch {
    return otherwise;
  }
};
