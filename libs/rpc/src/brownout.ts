import { type Clock, systemClock } from '@tillmesh/clock';
import { scraped } from '@tillmesh/telemetry';
import { LEVEL_ALL } from './admission-level.ts';

/** It is over when for so long neither this process nor a neighbour has said that it has too much to do, ms. */
export const BROWNOUT_MS = 5_000;

/**
 * Whether work that can be smaller or later should be: this process, or one that it calls, admits not everybody. It begins with the
 * first such word and ends 5 s after the last, so that it does not flicker.
 */
export class Brownout {
  readonly #clock: Clock;
  #lastWordMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An admission level was set here or told by a neighbour. */
  note(level: number): void {
    if (level < LEVEL_ALL) this.#lastWordMs = this.#clock.monotonicMs();
  }

  get isOn(): boolean {
    return this.#clock.monotonicMs() - this.#lastWordMs < BROWNOUT_MS;
  }
}

/** Of this process: its server and its clients note, whoever can do less asks. */
export const brownout = new Brownout(systemClock);

scraped({
  name: 'tillmesh_brownout',
  help: '1 while work that can be smaller or later is: the process or a neighbour has too much to do.',
  type: 'gauge',
  read: () => [{ labels: {}, value: brownout.isOn ? 1 : 0 }],
});
