/** A call's place at the channel; given back once. */
export type Slot = { release(): void };

/** How many calls may be under way, and how many are. An integer compare for each call, and nothing over the network. */
export class Slots {
  #share: number;
  #underWay = 0;
  #mostUnderWay = 0;
  #refused = 0;

  constructor(share: number) {
    this.#share = share;
  }

  get share(): number {
    return this.#share;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Calls that were refused since the last look. */
  get refused(): number {
    return this.#refused;
  }

  /** A place, or undefined where none is free. */
  acquire(): Slot | undefined {
    if (this.#underWay >= this.#share) {
      this.#refused += 1;
      return undefined;
    }
    this.#underWay += 1;
    if (this.#underWay > this.#mostUnderWay) this.#mostUnderWay = this.#underWay;
    let isHeld = true;
    return {
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#underWay -= 1;
      },
    };
  }

  /** What is above a smaller share goes on to its end; nothing begins before it has. */
  resize(share: number): void {
    this.#share = share;
  }

  /** How many places were wanted since the last look. */
  takeDemand(): number {
    const demand = this.#mostUnderWay + this.#refused;
    this.#mostUnderWay = this.#underWay;
    this.#refused = 0;
    return demand;
  }
}
