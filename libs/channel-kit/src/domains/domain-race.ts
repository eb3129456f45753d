import type { Cancel, Clock, Random } from '@tillmesh/clock';
import { counter, gauge, type Log } from '@tillmesh/telemetry';

const racesRun = counter(
  'tillmesh_channel_domain_races_total',
  'Probes of all domains of a channel at once, by their reason.',
  ['channel', 'reason'],
);
const preferredDomain = gauge('tillmesh_channel_domain_preferred', '1 for the domain that a channel is called at.', [
  'channel',
  'host',
]);

export const RACE_TIMES = {
  /** A probe is unanswered after, ms. */
  probeMsMax: 2_000,
  /** Between two races without a reason, ms; a tenth more or less. */
  everyMs: 30_000,
  /** Between two races because of a doubt, ms. */
  doubtPauseMs: 500,
  /** Races because of doubts within a minute, at most: a channel that is down must not be probed by the second for hours. */
  doubtsPerMinuteMax: 30,
} as const;

const MINUTE_MS = 60_000;

/** Asks a domain something cheap; whether it answered. Never rejects. */
export type Probe = (baseUrl: string, signal: AbortSignal) => Promise<boolean>;

/**
 * Knows which of a channel's domains to call: all are probed at once, and the first good answer wins. That is done when the process
 * starts, when a call was not answered or is late, and every half a minute; a domain that goes on answering is kept.
 */
export class DomainRace {
  readonly #channelId: string;
  readonly #domains: readonly string[];
  readonly #probe: Probe;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #isGood = new Map<string, boolean>();
  /** Aborted when a domain is left because it does not answer while another one does. */
  readonly #leaving = new Map<string, AbortController>();
  readonly #doubtsAtMs: number[] = [];
  readonly #stop = new AbortController();
  #preferred: string;
  #running: Promise<void> | undefined;
  #cancelNext: Cancel = () => undefined;

  /** @param options.domains base addresses, best first; two or more. */
  constructor(options: {
    readonly channelId: string;
    readonly domains: readonly string[];
    readonly probe: Probe;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  }) {
    const [first] = options.domains;
    if (first === undefined || options.domains.length < 2) throw new RangeError('a race has at least two domains');
    this.#channelId = options.channelId;
    this.#domains = options.domains;
    this.#probe = options.probe;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#preferred = first;
    this.#show();
  }

  /** The domain to call now. */
  get preferred(): string {
    return this.#preferred;
  }

  /** Another domain for a call that this one did not take: one whose last probe was answered, where there is one. */
  elsewhere(than: string): string {
    const others = this.#domains.filter((domain) => domain !== than);
    return others.find((domain) => this.#isGood.get(domain) !== false) ?? others[0] ?? than;
  }

  /** Is aborted when this domain is left: what may be asked elsewhere need not wait for it any longer. */
  leaving(domain: string): AbortSignal {
    let leaving = this.#leaving.get(domain);
    if (leaving === undefined) {
      leaving = new AbortController();
      this.#leaving.set(domain, leaving);
    }
    return leaving.signal;
  }

  /** Begins: the first race is run at once. */
  start(): void {
    this.#plan(0, 'start');
  }

  /** A call to a domain was not answered, or is late. Probes all, unless they are being probed or were a moment ago. */
  doubt(domain: string): void {
    if (domain !== this.#preferred || this.#running !== undefined || this.#stop.signal.aborted) return;
    const nowMs = this.#clock.monotonicMs();
    while ((this.#doubtsAtMs[0] ?? Number.POSITIVE_INFINITY) <= nowMs - MINUTE_MS) this.#doubtsAtMs.shift();
    const lastMs = this.#doubtsAtMs.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (nowMs - lastMs < RACE_TIMES.doubtPauseMs || this.#doubtsAtMs.length >= RACE_TIMES.doubtsPerMinuteMax) return;
    this.#doubtsAtMs.push(nowMs);
    this.#cancelNext();
    void this.#run('doubt');
  }

  stop(): void {
    this.#stop.abort(new Error('the channel’s client is closed'));
    this.#cancelNext();
  }

  #plan(afterMs: number, reason: 'start' | 'time'): void {
    this.#cancelNext = this.#clock.after(afterMs, () => void this.#run(reason));
  }

  #run(reason: 'start' | 'doubt' | 'time'): Promise<void> {
    this.#running ??= this.#race(reason).finally(() => {
      this.#running = undefined;
      if (!this.#stop.signal.aborted) this.#plan(RACE_TIMES.everyMs * (0.9 + 0.2 * this.#random.fraction()), 'time');
    });
    return this.#running;
  }

  async #race(reason: 'start' | 'doubt' | 'time'): Promise<void> {
    racesRun.add({ channel: this.#channelId, reason });
    const timeout = new AbortController();
    const cancel = this.#clock.after(RACE_TIMES.probeMsMax, () => timeout.abort(new Error('the probe is late')));
    const signal = AbortSignal.any([timeout.signal, this.#stop.signal]);
    let isWon = false;
    await Promise.all(
      this.#domains.map(async (domain) => {
        const isGood = await this.#probe(domain, signal);
        this.#isGood.set(domain, isGood);
        if (!isGood || isWon || this.#stop.signal.aborted) return;
        // Without a reason to leave it the one in use is kept, or two that are equally near would take turns.
        if (reason === 'time' && domain !== this.#preferred) return;
        isWon = true;
        this.#prefer(domain, reason);
      }),
    );
    cancel();
    if (isWon || this.#stop.signal.aborted) return;
    const other = this.#domains.find((domain) => this.#isGood.get(domain) === true);
    if (other !== undefined) this.#prefer(other, reason);
  }

  #prefer(domain: string, reason: string): void {
    if (domain === this.#preferred) return;
    this.#log.warn({ from: this.#preferred, to: domain, reason }, 'the channel is called at another domain');
    const left = this.#preferred;
    this.#preferred = domain;
    this.#show();
    this.#leaving.get(left)?.abort(new Error('another domain of the channel answers'));
    this.#leaving.delete(left);
  }

  #show(): void {
    for (const domain of this.#domains) {
      const host = new URL(domain).host;
      preferredDomain.set({ channel: this.#channelId, host }, domain === this.#preferred ? 1 : 0);
    }
  }
}
