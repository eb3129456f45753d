import type { ContractLease, ContractRefusal, Place } from '@tillmesh/channel-contract';
import type { Cancel, Clock } from '@tillmesh/clock';
import { FairQueue, type LaneLimits, type Waiter } from '@tillmesh/lane';

/** A call that wants a place in a contract. */
export type PlaceCall = {
  /** Calls of different lanes take turns, so that none waits for all of another's. */
  readonly lane: string;
  readonly merchant: string;
  /** As many as wait in the call's lane wait here, and as long. */
  readonly limits: Pick<LaneLimits, 'queuedMax' | 'queueWaitMsMax'>;
  /** What is left of the call's time, ms. */
  readonly budgetMs: number;
  readonly signal: AbortSignal;
};

/** No place: nothing was sent. */
export type NoPlace = { readonly refusal: ContractRefusal; readonly retryAfterMs: number };

/** A place of the contract, for one call. */
export type HeldPlace = Pick<Place, 'whyNotSend' | 'release'> & {
  /**
   * Waits shortly for the right to send once more, where the first request has used the one that came with the place.
   * Resolves with false where there is none.
   */
  untilReady(signal: AbortSignal): Promise<boolean>;
};

type Waiting = Waiter & {
  readonly settle: (place: Place | undefined) => void;
};

type Again = { readonly place: Place; readonly settle: (isReady: boolean) => void };

/** Places come back when calls end, which nobody can foretell. */
const FULL_RETRY_MS = 200;

/**
 * Who waits for a place in a contract. A place that becomes free goes to the next in line in the same moment: a caller that were
 * refused and came again would leave it empty in between, and cost a call for nothing.
 */
export class PlaceQueue {
  readonly #lease: ContractLease;
  readonly #clock: Clock;
  readonly #lanes = new Map<string, FairQueue>();
  /** Calls that are half done: what they need is a right to send, and they go first. */
  readonly #again: Again[] = [];
  #turn = 0;
  #cancelTimer: Cancel | undefined;

  constructor(lease: ContractLease, clock: Clock) {
    this.#lease = lease;
    this.#clock = clock;
    lease.onFree(() => this.#serve());
  }

  get count(): number {
    let count = 0;
    for (const queue of this.#lanes.values()) count += queue.count;
    return count;
  }

  /** A place, now or after a wait. Rejects with the signal's reason where the caller goes away. */
  async enter(call: PlaceCall): Promise<HeldPlace | NoPlace> {
    const place = this.#mayOvertakeNobody() ? this.#lease.acquire() : undefined;
    const got = place ?? (await this.#wait(call));
    if (got === undefined) return this.#refuse();
    return {
      whyNotSend: () => got.whyNotSend(),
      release: () => got.release(),
      untilReady: (signal) => this.#untilReady(got, call.limits.queueWaitMsMax, signal),
    };
  }

  #mayOvertakeNobody(): boolean {
    return this.count === 0 && this.#again.length === 0;
  }

  #refuse(): NoPlace {
    const refusal = this.#lease.whyNot() ?? 'contract_full';
    // Everybody who waits is served before one that comes then.
    const perSecond = (this.#lease.rateShare ?? 0) / 1_000;
    const retryAfterMs =
      refusal === 'contract_full' || perSecond === 0
        ? FULL_RETRY_MS
        : Math.ceil(this.#lease.waitMs() + (1_000 * this.count) / perSecond);
    this.#lease.refuse();
    return { refusal, retryAfterMs: Number.isFinite(retryAfterMs) ? retryAfterMs : FULL_RETRY_MS };
  }

  #wait(call: PlaceCall): Promise<Place | undefined> {
    const { lane, merchant, limits, signal } = call;
    const waitMs = Math.min(limits.queueWaitMsMax, call.budgetMs);
    const queue = this.#queueOf(lane);
    if (signal.aborted) return Promise.reject(signal.reason);
    if (waitMs <= 0 || !makeRoom(queue, merchant, limits.queuedMax)) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        queue.remove(waiting);
        cancel();
        signal.removeEventListener('abort', onAbort);
      };
      const waiting: Waiting = {
        merchant,
        queueNext: undefined,
        queueBefore: undefined,
        flow: undefined,
        settle: (place) => {
          leave();
          resolve(place);
        },
      };
      const onAbort = (): void => {
        leave();
        reject(signal.reason);
        this.#tell();
      };
      const cancel = this.#clock.after(waitMs, () => {
        waiting.settle(undefined);
        this.#tell();
      });
      signal.addEventListener('abort', onAbort, { once: true });
      queue.push(waiting);
      this.#serve();
    });
  }

  #untilReady(place: Place, waitMs: number, signal: AbortSignal): Promise<boolean> {
    if (place.isReady || (this.#again.length === 0 && place.readyToSend())) return Promise.resolve(true);
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const again: Again = {
        place,
        settle: (isReady) => {
          cancel();
          signal.removeEventListener('abort', giveUp);
          resolve(isReady);
        },
      };
      const giveUp = (): void => {
        this.#again.splice(this.#again.indexOf(again), 1);
        again.settle(false);
        this.#tell();
      };
      const cancel = this.#clock.after(waitMs, giveUp);
      signal.addEventListener('abort', giveUp, { once: true });
      this.#again.push(again);
      this.#serve();
    });
  }

  #serve(): void {
    if (this.#mayOvertakeNobody()) return;
    for (let again = this.#again[0]; again?.place.readyToSend() === true; again = this.#again[0]) {
      this.#again.shift();
      again.settle(true);
    }
    for (let left = this.count; left > 0; left -= 1) {
      const place = this.#lease.acquire();
      if (place === undefined) break;
      this.#next()?.settle(place);
    }
    this.#tell();
  }

  /** Says how many wait, and comes back when time alone brings a right to send. */
  #tell(): void {
    const { count } = this;
    this.#lease.setWaiting(count + this.#again.length);
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (count + this.#again.length === 0) return;
    // Where a place is missing, its end calls back.
    if (this.#again.length === 0 && this.#lease.whyNot() === 'contract_full') return;
    const waitMs = this.#lease.waitMs();
    if (!Number.isFinite(waitMs)) return;
    this.#cancelTimer = this.#clock.after(Math.ceil(waitMs), () => this.#serve());
  }

  /** Whose turn it is: a lane's, and in it a merchant's. */
  #next(): Waiting | undefined {
    const queues = [...this.#lanes.values()];
    for (let looks = queues.length; looks > 0; looks -= 1) {
      this.#turn = (this.#turn + 1) % queues.length;
      const waiter = queues[this.#turn]?.shift(() => true);
      if (waiter !== undefined) return waiter as Waiting;
    }
    return undefined;
  }

  #queueOf(lane: string): FairQueue {
    const known = this.#lanes.get(lane);
    if (known !== undefined) return known;
    const queue = new FairQueue(() => 1);
    this.#lanes.set(lane, queue);
    return queue;
  }
}

/** Makes room for a merchant that has less than its share of a full queue. @returns false where there is none for it. */
const makeRoom = (queue: FairQueue, merchant: string, queuedMax: number): boolean => {
  if (queue.count < queuedMax) return true;
  if (queue.countOf(merchant) + 1 > queuedMax / (queue.merchants + 1)) return false;
  const evicted = queue.newestOfGreediest() as Waiting | undefined;
  evicted?.settle(undefined);
  return evicted !== undefined;
};
