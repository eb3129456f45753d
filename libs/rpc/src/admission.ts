import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '@tillmesh/clock';
import { counter, gauge } from '@tillmesh/telemetry';
import { AdmissionLevel, LEVEL_ALL, rankOf } from './admission-level.ts';
import { brownout } from './brownout.ts';
import { PRIORITIES, type Priority } from './call-context.ts';
import { queueWaits } from './queue-waits.ts';

const shed = counter('tillmesh_admission_shed_total', 'Calls refused because the process has too much to do.', [
  'priority',
]);
const levelGauge = gauge('tillmesh_admission_level', 'Rank up to which calls are admitted; 511 admits all.');
const delayGauge = gauge(
  'tillmesh_event_loop_delay_ms',
  'How late the event loop was, in the middle of the last window.',
);

/** How a server decides what it takes on. */
export type AdmissionRules = {
  /** Calls may wait so long for the event loop, in the middle of a window, ms. */
  readonly delayMsMax: number;
  /** Between two looks, ms. */
  readonly windowMs: number;
  /** With fewer calls a second it is not their number that makes the process slow. */
  readonly callsPerSecondMin: number;
};

export const ADMISSION_DEFAULTS: AdmissionRules = { delayMsMax: 20, windowMs: 250, callsPerSecondMin: 100 };

/**
 * The most calls of a priority that may be under way, as a share of all: the rest is kept for those above it. Refunds leave a
 * twentieth to payments, questions a fifth to both, lists half.
 */
const IN_FLIGHT_SHARES: Readonly<Record<Priority, number>> = { payment: 1, refund: 0.95, query: 0.8, list: 0.5 };

export type Admission = {
  /** Whether a call may come in now; counts it. @param standsFor so many calls, of which the others were refused where they began. */
  admits(priority: Priority, merchant: string, standsFor: number): boolean;
  /** Whether a call of a priority may be one more of those under way. */
  hasRoom(priority: Priority, inFlight: number, inFlightMax: number): boolean;
  /** A call that had been admitted found no room after all, here or at a neighbour. */
  press(): void;
  /** A call that had been admitted has ended. */
  finish(): void;
  /** The rank up to which calls are admitted; published with answers. */
  readonly level: number;
  close(): void;
};

const RESOLUTION_MS = 10;
const NANOS_PER_MS = 1e6;

/** With fewer turns of the loop there is no middle: the window goes on. */
const TURNS_MIN = 3;

/** Watches the event loop and moves the level. One for each server; closed with it. */
export const createAdmission = (clock: Clock, rules: AdmissionRules = ADMISSION_DEFAULTS): Admission => {
  const level = new AdmissionLevel({
    delayMsMax: rules.delayMsMax,
    arrivalsMin: (rules.callsPerSecondMin * rules.windowMs) / 1_000,
  });
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  let cancel = () => {};
  const look = () => {
    cancel = clock.after(rules.windowMs, look);
    if (delays.count < TURNS_MIN) return;
    // The middle, not the mean: one pause (a collection of garbage) is no overload, every turn taking long is. The timer's own
    // period does not count.
    const delayMs = Math.max(0, delays.percentile(50) / NANOS_PER_MS - RESOLUTION_MS);
    delays.reset();
    // Work that waits for a place in a lane waits as well: where a neighbour is what is slow, our own loop is in time.
    level.endWindow(Math.max(delayMs, queueWaits.take()));
    brownout.note(level.level);
    delayGauge.set({}, delayMs);
    levelGauge.set({}, level.level);
  };
  cancel = clock.after(rules.windowMs, look);
  return {
    admits: (priority, merchant, standsFor) => {
      const admitted = level.admits(rankOf(priority, merchant, clock.nowMs()), standsFor);
      if (!admitted) shed.add({ priority });
      return admitted;
    },
    press: () => level.press(),
    finish: () => level.finish(),
    hasRoom: (priority, inFlight, inFlightMax) => inFlight <= Math.ceil(inFlightMax * IN_FLIGHT_SHARES[priority]),
    get level() {
      return level.level;
    },
    close: () => {
      cancel();
      delays.disable();
    },
  };
};

/** Levels that a neighbour has told hold so long, ms, where no answer brings a new one; the calls that are sent all the same ask for it. */
const TOLD_MS_MAX = 10_000;
/** Of calls that would be refused one in so many is sent all the same, or nobody would notice that it is over. */
const CALLS_PER_PROBE = 20;
/** But no two within so long, ms: with more to refuse a probe stands for more. */
const PROBE_EVERY_MS = 20;
/** What a probe may stand for; a larger figure is taken for this. */
const STANDS_FOR_MAX = 10_000;

/** What a neighbour has said of itself: who would be refused there is refused here, without a call. */
export class ToldLevel {
  readonly #clock: Clock;
  #level = LEVEL_ALL;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #refusals = 0;
  #probedAtMs = Number.NEGATIVE_INFINITY;
  /** Calls of the rank that is admitted in part since one was made. */
  #inPart = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An answer brought a level, or none: then the neighbour admits all. */
  heard(level: number | undefined): void {
    this.#level = level === undefined || !(level >= 0) ? LEVEL_ALL : level;
    brownout.note(this.#level);
    this.#toldAtMs = this.#clock.monotonicMs();
  }

  /**
   * How many calls one that is made now stands for: itself, and for a probe the refused ones before it. 0: it would be refused there,
   * so it is not made.
   */
  standsFor(priority: Priority, merchant: string): number {
    if (this.#level >= LEVEL_ALL) return 1;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldAtMs > TOLD_MS_MAX) return 1;
    const above = rankOf(priority, merchant, this.#clock.nowMs()) - this.#level;
    if (above <= 0) return 1;
    if (above < 1) return this.#standsForInPart(1 - above);
    this.#refusals += 1;
    if (this.#refusals < CALLS_PER_PROBE || nowMs - this.#probedAtMs < PROBE_EVERY_MS) return 0;
    const standsFor = this.#refusals;
    this.#refusals = 0;
    this.#probedAtMs = nowMs;
    return standsFor;
  }

  /** @param share of the rank's calls that the neighbour admits. */
  #standsForInPart(share: number): number {
    this.#inPart += 1;
    if (this.#inPart * share < 1) return 0;
    const standsFor = this.#inPart;
    this.#inPart = 0;
    return standsFor;
  }
}

/** How many calls one stands for, as its label says; a label that says nothing of use is 1. */
export const readStandsFor = (label: string): number => {
  const calls = /^\d{1,9}$/.test(label) ? Number(label) : 1;
  return Math.min(Math.max(1, calls), STANDS_FOR_MAX);
};

/** When it is worth while to try again, by priority, ms: what is shed first waits longest. */
export const retryAfterMs = (priority: Priority): number => 250 * 2 ** PRIORITIES.indexOf(priority);
