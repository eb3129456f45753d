/** A place in the queue; its own link, so that leaving costs the same wherever it stands. */
export type Waiter = {
  readonly merchant: string;
  /** Its neighbours and its flow; the queue's own. */
  queueNext: Waiter | undefined;
  queueBefore: Waiter | undefined;
  flow: Flow | undefined;
};

/** Who waits of one merchant, and the merchant's place in the round. */
class Flow {
  readonly merchant: string;
  readonly weight: number;
  first: Waiter | undefined = undefined;
  last: Waiter | undefined = undefined;
  count = 0;
  /** Turns it may still take before the next merchant's. */
  deficit: number;
  next: Flow = this;
  before: Flow = this;

  constructor(merchant: string, weight: number) {
    this.merchant = merchant;
    this.weight = weight;
    this.deficit = weight;
  }
}

/**
 * Who waits for a place, served in deficit round robin over merchants: each gets places by its weight, however many of its calls
 * wait, and within a merchant the longest wait is served first. Every operation costs the same however long the queue is.
 */
export class FairQueue {
  readonly #weightOf: (merchant: string) => number;
  readonly #flows = new Map<string, Flow>();
  /** Whose turn it is; undefined while nobody waits. */
  #turn: Flow | undefined;
  #count = 0;

  /** @param weightOf a merchant's share, 1 or more; a merchant of weight 2 gets twice what one of 1 gets. */
  constructor(weightOf: (merchant: string) => number) {
    this.#weightOf = weightOf;
  }

  get count(): number {
    return this.#count;
  }

  /** How many calls of a merchant wait. */
  countOf(merchant: string): number {
    return this.#flows.get(merchant)?.count ?? 0;
  }

  /** The merchants that wait. */
  get merchants(): number {
    return this.#flows.size;
  }

  push(waiter: Waiter): void {
    const flow = this.#flows.get(waiter.merchant) ?? this.#enter(waiter.merchant);
    waiter.flow = flow;
    waiter.queueNext = undefined;
    waiter.queueBefore = flow.last;
    if (flow.last === undefined) flow.first = waiter;
    else flow.last.queueNext = waiter;
    flow.last = waiter;
    flow.count += 1;
    this.#count += 1;
  }

  /**
   * Takes out whose turn it is.
   *
   * @param isAllowed whether a merchant may have a place now; one that may not keeps its calls waiting, and the turn goes on.
   * @returns undefined where nobody waits who may.
   */
  shift(isAllowed: (merchant: string) => boolean): Waiter | undefined {
    for (let looks = this.#flows.size; looks > 0; looks -= 1) {
      const flow = this.#turn;
      const waiter = flow?.first;
      if (flow === undefined || waiter === undefined) return undefined;
      if (!isAllowed(flow.merchant)) {
        this.#turnTo(flow.next);
        continue;
      }
      flow.deficit -= 1;
      const after = flow.next;
      const isOver = flow.deficit < 1;
      this.remove(waiter);
      // Where it was the merchant's last one, its flow has left the round and the turn with it.
      if (isOver && flow.count > 0) this.#turnTo(after);
      return waiter;
    }
    return undefined;
  }

  /** The newest waiter of the merchant that has most; undefined where nobody waits. Looks at every merchant that waits. */
  newestOfGreediest(): Waiter | undefined {
    let greediest: Flow | undefined;
    for (const flow of this.#flows.values()) {
      if (greediest === undefined || flow.count / flow.weight > greediest.count / greediest.weight) greediest = flow;
    }
    return greediest?.last;
  }

  /** Takes out one; nothing happens where it does not wait. */
  remove(waiter: Waiter): void {
    const { flow, queueNext, queueBefore } = waiter;
    if (flow === undefined) return;
    if (queueBefore === undefined) flow.first = queueNext;
    else queueBefore.queueNext = queueNext;
    if (queueNext === undefined) flow.last = queueBefore;
    else queueNext.queueBefore = queueBefore;
    waiter.flow = undefined;
    waiter.queueNext = undefined;
    waiter.queueBefore = undefined;
    flow.count -= 1;
    this.#count -= 1;
    if (flow.count === 0) this.#leave(flow);
  }

  #turnTo(flow: Flow): void {
    this.#turn = flow;
    flow.deficit = flow.weight;
  }

  #enter(merchant: string): Flow {
    const flow = new Flow(merchant, Math.max(1, this.#weightOf(merchant)));
    const turn = this.#turn;
    if (turn === undefined) this.#turn = flow;
    else {
      // Behind everybody who is in the round already: before whose turn it is.
      flow.next = turn;
      flow.before = turn.before;
      turn.before.next = flow;
      turn.before = flow;
    }
    this.#flows.set(merchant, flow);
    return flow;
  }

  #leave(flow: Flow): void {
    this.#flows.delete(flow.merchant);
    if (this.#turn === flow) {
      if (flow.next === flow) this.#turn = undefined;
      else this.#turnTo(flow.next);
    }
    flow.before.next = flow.next;
    flow.next.before = flow.before;
  }
}
