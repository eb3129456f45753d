/** How long this process's own calls have waited for a place in a lane since the last look: work that stands in a queue here. */
export class QueueWaits {
  #count = 0;
  #sumMs = 0;

  note(waitedMs: number): void {
    this.#count += 1;
    this.#sumMs += waitedMs;
  }

  /** The mean, ms, 0 where no call was made; begins anew. */
  take(): number {
    const meanMs = this.#count === 0 ? 0 : this.#sumMs / this.#count;
    this.#count = 0;
    this.#sumMs = 0;
    return meanMs;
  }
}

/** Of this process: its clients note, its server looks. */
export const queueWaits = new QueueWaits();
