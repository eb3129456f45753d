import type { Cancel, Clock } from '@tillmesh/clock';
import { counter, durations, gauge } from '@tillmesh/telemetry';
import { Breaker, type BreakerPermit, type BreakerState } from './breaker.ts';
import { LaneRejected, LaneTimeout, type RejectionCause } from './lane-rejected.ts';

/** The numbers of one lane: reading them is reading what a sick neighbour can cost. */
export type LaneConfig = {
  /** Which neighbour and which kind of call, such as `channel-wechat.pay`. */
  readonly name: string;
  /** Calls under way at once. */
  readonly concurrentMax: number;
  /** Calls that wait for a place. 0 sheds at once. */
  readonly queuedMax: number;
  /** The longest wait for a place, ms. */
  readonly queueWaitMsMax: number;
  /** The longest a call may take, ms; its signal is aborted then. */
  readonly timeoutMs: number;
  /** Latest calls that the breaker looks at. Default: 20. */
  readonly breakerWindow?: number;
  /** It opens when more than this share of them failed. Default: 0.5. */
  readonly failureShareMax?: number;
  /** It has no opinion before this many calls. Default: 10. */
  readonly callsMin?: number;
  /** From opening to the first probe, ms. */
  readonly halfOpenAfterMs: number;
};

export type LaneCall = {
  /** The caller's own signal: aborted while waiting, the call leaves the queue at once. */
  readonly signal?: AbortSignal | undefined;
  /** What is left of the caller's budget, ms; the lane takes the smaller of it and its own time-out. */
  readonly budgetMs?: number;
  /** True where the error is a sign that the neighbour is sick; by default every error is. */
  readonly isSick?: (error: unknown) => boolean;
  /** True where an answer is a sign that the neighbour is sick; by default none is. */
  readonly isSickAnswer?: (answer: never) => boolean;
};

export type LaneStatistics = {
  readonly name: string;
  readonly inFlight: number;
  readonly queued: number;
  readonly concurrentMax: number;
  readonly breaker: BreakerState;
  readonly completed: number;
  readonly failed: number;
  readonly timedOut: number;
  readonly rejected: Readonly<Record<RejectionCause, number>>;
};

type Waiting = { readonly admit: () => void };

const callSeconds = durations('tillmesh_lane_call_seconds', 'Time of calls in a lane, waiting excluded.', [
  'lane',
  'end',
]);
const rejections = counter('tillmesh_lane_rejections_total', 'Calls that a lane refused.', ['lane', 'cause']);
const inFlightGauge = gauge('tillmesh_lane_in_flight', 'Calls under way in a lane.', ['lane']);
const openGauge = gauge('tillmesh_lane_open', '1 while the lane refuses calls because its neighbour is sick.', [
  'lane',
]);

/**
 * One bounded way to one neighbour: a slot stands for a request that is really outstanding, a queue with a deadline stands
 * in front, a breaker refuses while the neighbour is sick, and a hard time-out ends what takes too long.
 */
export class Lane {
  readonly config: LaneConfig;
  readonly #clock: Clock;
  readonly #breaker: Breaker;
  readonly #rejected: Readonly<Record<RejectionCause, LaneRejected>>;
  readonly #queue: Waiting[] = [];
  readonly #rejectedCounts: Record<RejectionCause, number> = {
    full: 0,
    open: 0,
    queue_wait_too_long: 0,
    no_time_left: 0,
  };
  #inFlight = 0;
  #completed = 0;
  #failed = 0;
  #timedOut = 0;

  constructor(config: LaneConfig, clock: Clock) {
    assertConfig(config);
    this.config = config;
    this.#clock = clock;
    this.#rejected = LaneRejected.preallocate(config.name);
    this.#breaker = new Breaker(
      {
        window: config.breakerWindow ?? 20,
        failureShareMax: config.failureShareMax ?? 0.5,
        callsMin: config.callsMin ?? 10,
        halfOpenAfterMs: config.halfOpenAfterMs,
        idleForgetMs: 60_000,
      },
      clock,
      (state) => openGauge.set({ lane: config.name }, state === 'open' ? 1 : 0),
    );
  }

  /**
   * Runs `work` in the lane. `work` must honour its signal: its slot is free only when its promise has settled.
   *
   * @throws {LaneRejected} before anything was sent.
   * @throws {LaneTimeout} when the time was up; what was sent may have arrived.
   */
  async run<T>(work: (signal: AbortSignal) => Promise<T>, call: LaneCall = {}): Promise<T> {
    if (isGone(call)) throw call.signal?.reason;
    const budgetMs = call.budgetMs ?? Number.POSITIVE_INFINITY;
    if (budgetMs <= 0) return this.#reject('no_time_left');
    if (this.#breaker.isRefusing) return this.#reject('open');
    let leftMs = budgetMs;
    // Nothing is awaited where a place is free: of calls in one turn, the second has to see what the first has taken.
    if (this.#inFlight < this.config.concurrentMax) this.#inFlight += 1;
    else {
      const beganMs = this.#clock.monotonicMs();
      await this.#waitForSlot(call, budgetMs);
      leftMs -= this.#clock.monotonicMs() - beganMs;
      // The caller may have gone between being admitted and getting here.
      if (isGone(call)) {
        this.#freeSlot();
        throw call.signal?.reason;
      }
      if (leftMs <= 0) {
        this.#freeSlot();
        return this.#reject('no_time_left');
      }
    }
    const permit = this.#breaker.tryAcquire();
    if (permit === undefined) {
      this.#freeSlot();
      return this.#reject('open');
    }
    return this.#execute(work, call, permit, Math.min(this.config.timeoutMs, leftMs));
  }

  statistics(): LaneStatistics {
    return {
      name: this.config.name,
      inFlight: this.#inFlight,
      queued: this.#queue.length,
      concurrentMax: this.config.concurrentMax,
      breaker: this.#breaker.state,
      completed: this.#completed,
      failed: this.#failed,
      timedOut: this.#timedOut,
      rejected: { ...this.#rejectedCounts },
    };
  }

  #reject(cause: RejectionCause): never {
    this.#rejectedCounts[cause] += 1;
    rejections.add({ lane: this.config.name, cause });
    throw this.#rejected[cause];
  }

  /** Waits in the queue; the slot is transferred, nobody can barge in between. */
  async #waitForSlot(call: LaneCall, budgetMs: number): Promise<void> {
    if (this.#queue.length >= this.config.queuedMax) this.#reject('full');
    const waitMs = Math.min(this.config.queueWaitMsMax, budgetMs);
    const admitted = await new Promise<boolean>((resolve, reject) => {
      const leave = () => {
        cancel();
        call.signal?.removeEventListener('abort', onAbort);
        const place = this.#queue.indexOf(waiting);
        if (place >= 0) this.#queue.splice(place, 1);
      };
      const waiting: Waiting = {
        admit: () => {
          leave();
          resolve(true);
        },
      };
      const onAbort = () => {
        leave();
        reject(call.signal?.reason);
      };
      const cancel: Cancel = this.#clock.after(waitMs, () => {
        leave();
        resolve(false);
      });
      call.signal?.addEventListener('abort', onAbort, { once: true });
      this.#queue.push(waiting);
    });
    if (!admitted) this.#reject('queue_wait_too_long');
  }

  #freeSlot(): void {
    const next = this.#queue.shift();
    // The slot goes to the next in line without ever being free.
    if (next !== undefined) next.admit();
    else this.#inFlight -= 1;
  }

  #execute<T>(
    work: (signal: AbortSignal) => Promise<T>,
    call: LaneCall,
    permit: BreakerPermit,
    timeoutMs: number,
  ): Promise<T> {
    inFlightGauge.set({ lane: this.config.name }, this.#inFlight);
    const startedMs = this.#clock.monotonicMs();
    const own = new AbortController();
    const signal = call.signal === undefined ? own.signal : AbortSignal.any([own.signal, call.signal]);
    let concluded = false;
    // What the caller hears is what the breaker hears: the time-out or the end of the work, whichever comes first.
    const conclude = (end: CallEnd) => {
      if (concluded) return;
      concluded = true;
      cancelTimer();
      this.#conclude(end, permit);
      callSeconds.record({ lane: this.config.name, end }, (this.#clock.monotonicMs() - startedMs) / 1_000);
    };
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const cancelTimer = this.#clock.after(timeoutMs, () => {
      const timeout = new LaneTimeout(`lane ${this.config.name}: no answer within ${Math.round(timeoutMs)} ms`);
      this.#timedOut += 1;
      conclude('failed');
      reject(timeout);
      own.abort(timeout);
    });
    // The breaker knows before the slot is free: who waits for the slot is to see what the call before it has learned.
    (async () => work(signal))().then(
      (answer) => {
        conclude(judge(() => call.isSickAnswer?.(answer as never) ?? false, false) ? 'sick' : 'completed');
        this.#leaveSlot();
        resolve(answer);
      },
      (error: unknown) => {
        conclude(endOfFailure(call, error));
        this.#leaveSlot();
        reject(error);
      },
    );
    return promise;
  }

  #conclude(end: CallEnd, permit: BreakerPermit): void {
    if (end === 'abandoned') this.#breaker.giveBack(permit);
    else this.#breaker.record(permit, end === 'completed' || end === 'refused');
    if (end === 'completed' || end === 'sick') this.#completed += 1;
    if (end === 'failed') this.#failed += 1;
  }

  #leaveSlot(): void {
    this.#freeSlot();
    inFlightGauge.set({ lane: this.config.name }, this.#inFlight);
  }
}

/**
 * How a call ended. `sick`: with an answer that speaks of a sick neighbour; `failed`: with an error that does, or with a
 * time-out; `refused`: with an error that does not; `abandoned`: its caller went away, which says nothing of the neighbour.
 */
type CallEnd = 'completed' | 'sick' | 'failed' | 'refused' | 'abandoned';

const endOfFailure = (call: LaneCall, error: unknown): CallEnd => {
  if (isGone(call)) return 'abandoned';
  return judge(() => call.isSick?.(error) ?? true, true) ? 'failed' : 'refused';
};

const isGone = (call: LaneCall): boolean => call.signal?.aborted === true;

// A judgement that throws must neither replace an answer nor keep a probe's permit for ever.
const judge = (isSick: () => boolean, otherwise: boolean): boolean => {
  try {
    return isSick();
  } catch {
    return otherwise;
  }
};

// A lane without a limit is none, and timers take no more than 2^31 - 1 ms.
const LIMIT_MAX = 2 ** 31 - 1;

const assertConfig = (config: LaneConfig): void => {
  const least = { concurrentMax: 1, queuedMax: 0, queueWaitMsMax: 0, timeoutMs: 1, halfOpenAfterMs: 1 } as const;
  for (const [field, min] of Object.entries(least) as [keyof typeof least, number][]) {
    const value = config[field];
    if (!Number.isInteger(value) || value < min || value > LIMIT_MAX) {
      throw new RangeError(`lane ${config.name}: ${field} must be a whole number from ${min}, not ${value}`);
    }
  }
};

/** Declares a lane. All lanes of a service stand together in its lanes.ts. */
export const createLane = (config: LaneConfig, clock: Clock): Lane => new Lane(config, clock);
