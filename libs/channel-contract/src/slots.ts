/** How many calls may be under way, and how many are. An integer compare for each call, and nothing over the network. */
export class Slots {
  #share = 0;
  #underWay = 0;
  #waiting = 0;
  #mostWanted = 0;
  #refused = 0;

  get share(): number {
    return this.#share;
  }

  get underWay(): number {
    return this.#underWay;
  }

  get isFull(): boolean {
    return this.#underWay >= this.#share;
  }

  /** @returns false where no place is free. */
  take(): boolean {
    if (this.isFull) return false;
    this.#underWay += 1;
    this.#see();
    return true;
  }

  giveBack(): void {
    this.#underWay -= 1;
  }

  /** What is above a smaller share goes on to its end; nothing begins before it has. */
  resize(share: number): void {
    this.#share = share;
  }

  /** So many calls wait. */
  setWaiting(count: number): void {
    this.#waiting = count;
    this.#see();
  }

  /** A call has gone without a place. */
  refuse(): void {
    this.#refused += 1;
  }

  /** How many places were wanted since the last look. */
  takeDemand(): number {
    const demand = this.#mostWanted + this.#refused;
    this.#mostWanted = this.#underWay + this.#waiting;
    this.#refused = 0;
    return demand;
  }

  #see(): void {
    this.#mostWanted = Math.max(this.#mostWanted, this.#underWay + this.#waiting);
  }
}
