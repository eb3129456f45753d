import type { Random } from '@tillmesh/clock';

/** Where everything that takes time waits until the schedule lets it go on. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  readonly #sleeping: { readonly from: number; readonly resolve: () => void }[] = [];
  #taken = 0;
  readonly #chance: Random;

  constructor(chance: Random) {
    this.#chance = chance;
  }

  /** Resolves when the schedule gets to it. */
  readonly turn = (): Promise<void> => new Promise(this.#enqueue);

  readonly #enqueue = (resolve: () => void): void => {
    this.#waiting.push(resolve);
  };

  /** Resolves with a turn of its own after so many turns of others. */
  readonly after = (turns: number): Promise<void> =>
    new Promise((resolve) => {
      this.#sleeping.push({ from: this.#taken + turns, resolve });
    });

  #wake(): void {
    const sleeping = this.#sleeping;
    for (let place = sleeping.length - 1; place >= 0; place -= 1) {
      const sleeper = sleeping[place];
      if (sleeper === undefined || sleeper.from > this.#taken) continue;
      this.#waiting.push(sleeper.resolve);
      sleeping.splice(place, 1);
    }
    // Where nobody else has anything to do, time passes until somebody has.
    if (this.#waiting.length === 0 && sleeping.length > 0) {
      this.#taken = Math.min(...sleeping.map(({ from }) => from));
      this.#wake();
    }
  }

  /** Lets one of those who wait go on; what it does then runs before the next turn of the event loop. */
  next(): void {
    this.#taken += 1;
    if (this.#sleeping.length > 0) this.#wake();
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    const place = this.#chance.below(waiting.length);
    const going = waiting[place];
    const last = waiting.pop();
    if (last !== undefined && place < waiting.length) waiting[place] = last;
    going?.();
  }
}
