import { NO_TIMER, type TimerHandle } from '@tillmesh/clock';
import type { Waiter } from './fair-queue.ts';
import type { LaneCall } from './lane-config.ts';
import type { Timed } from './time-outs.ts';

/** What a call asks of its lane. */
export type CallOwner = {
  onCallDue(call: CallInLane): void;
  onCallAborted(call: CallInLane): void;
};

/** Calls under way in the order of their starts. */
export type Aged = { olderCall: CallInLane | undefined; youngerCall: CallInLane | undefined };

/** Ends the promise that the caller holds; what it resolves with is what its own work has answered. */
export type Settle = { resolve(answer: unknown): void; reject(error: unknown): void };

/** Reads as running, waiting or over; the lane's own. */
export type CallPhase = 'new' | 'waiting' | 'running' | 'concluded';

/**
 * One call from its coming to its end. It is its own place in the queue, in the wheel of time-outs and in the list of ages, and
 * the listener of its caller's signal: one object is all that a call allocates beside its promise and its signal.
 */
export class CallInLane implements Timed, Waiter, Aged {
  readonly #owner: CallOwner;
  readonly work: (signal: AbortSignal) => Promise<unknown>;
  readonly options: LaneCall;
  readonly merchant: string;
  readonly settle: Settle;
  phase: CallPhase = 'new';
  cameAtMs: number;
  startedAtMs = 0;
  /** Of the breaker; whether it is of the half-open one's first calls does not matter. */
  era = 0;
  controller: AbortController | undefined = undefined;

  dueMs = 0;
  timer: TimerHandle = NO_TIMER;

  queueNext: Waiter | undefined = undefined;
  queueBefore: Waiter | undefined = undefined;
  flow: Waiter['flow'] = undefined;

  olderCall: CallInLane | undefined = undefined;
  youngerCall: CallInLane | undefined = undefined;

  constructor(
    owner: CallOwner,
    work: (signal: AbortSignal) => Promise<unknown>,
    options: LaneCall,
    cameAtMs: number,
    settle: Settle,
  ) {
    this.#owner = owner;
    this.work = work;
    this.options = options;
    this.merchant = options.merchant ?? '';
    this.cameAtMs = cameAtMs;
    this.settle = settle;
  }

  get isGone(): boolean {
    return this.options.signal?.aborted === true;
  }

  onDue(): void {
    this.#owner.onCallDue(this);
  }

  /** The caller's signal was aborted. */
  handleEvent(): void {
    this.#owner.onCallAborted(this);
  }
}

/** The calls under way, the oldest first. */
export class Ages {
  #oldest: CallInLane | undefined;
  #youngest: CallInLane | undefined;

  get oldest(): CallInLane | undefined {
    return this.#oldest;
  }

  add(call: CallInLane): void {
    call.olderCall = this.#youngest;
    if (this.#youngest === undefined) this.#oldest = call;
    else this.#youngest.youngerCall = call;
    this.#youngest = call;
  }

  remove(call: CallInLane): void {
    if (call.olderCall === undefined) this.#oldest = call.youngerCall;
    else call.olderCall.youngerCall = call.youngerCall;
    if (call.youngerCall === undefined) this.#youngest = call.olderCall;
    else call.youngerCall.olderCall = call.olderCall;
    call.olderCall = undefined;
    call.youngerCall = undefined;
  }
}
