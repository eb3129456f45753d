import type { Clock, Random } from '@tillmesh/clock';
import type { Redis } from 'ioredis';
import { ALLOCATE } from '../src/allocation-script.ts';
import type { Contract, ContractTimes } from '../src/contract.ts';
import { argumentsOf, type ContractLease, createContractLease, grantOf, type Place } from '../src/contract-lease.ts';

/** Short times: what matters is only how they stand to each other. */
export const TIMES: ContractTimes = { leaseMs: 1_000, refreshMs: 300, callMsMax: 4_000 };

/** A call that has a place; once its request is written the channel works on it until it is over. */
type Call = { readonly place: Place; beganAtMs: number | undefined; isOver: boolean };
type Replica = {
  readonly lease: ContractLease;
  calls: Call[];
  state: 'alive' | 'paused' | 'dead';
  goneAtMs: number;
  /** While it is, it takes all there is as soon as it comes; otherwise much is saved up, and its share goes to others. */
  isGreedy: boolean;
  refreshAtMs: number;
};

const STEP_MS = 25;

type Fault = 'none' | 'request_lost' | 'answer_lost';

/**
 * Replicas with clocks of their own that go too fast or too slowly, one Redis, whose script is the real one run by a real server
 * with the time of this world, and a channel that counts what is under way and when requests come.
 */
export class World {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #script: string;
  readonly #contract: Contract;
  readonly #random: Random;
  readonly #clocks: { readonly slowest: number; readonly fastest: number };
  #nowMs = 1_000_000;
  readonly #replicas: Replica[] = [];
  #fault: Fault = 'none';
  #isRedisUp = true;
  readonly #snapshots: string[] = [];
  #mostCalls = 0;
  #burst = 0;
  #mostBurst = 0;
  #requestAtMs = 0;

  /** @param options.clocks how fast the slowest and the fastest clock may go. */
  constructor(options: {
    redis: Redis;
    key: string;
    script?: string;
    clocks?: { readonly slowest: number; readonly fastest: number };
    contract: Contract;
    random: Random;
  }) {
    this.#redis = options.redis;
    this.#key = options.key;
    this.#script = options.script ?? ALLOCATE;
    this.#clocks = options.clocks ?? { slowest: 0.97, fastest: 1.03 };
    this.#contract = options.contract;
    this.#random = options.random;
  }

  /** The most calls that were ever under way at the channel at once. */
  get mostCalls(): number {
    return this.#mostCalls;
  }

  /**
   * The most requests by which any window, whatever its length, went beyond what the rate alone brings in it: a bucket that leaks
   * with the agreed rate holds exactly that.
   */
  get mostBurst(): number {
    return this.#mostBurst;
  }

  #clock(): Clock {
    const { slowest, fastest } = this.#clocks;
    const rate = slowest + this.#random.fraction() * (fastest - slowest);
    const offset = this.#random.below(100_000);
    const unused = (): never => {
      throw new Error('a lease waits for nothing');
    };
    return { nowMs: unused, monotonicMs: () => this.#nowMs * rate + offset, after: unused, sleep: unused };
  }

  /** Starts a process where the contract allows one more, the ones that have just died included. */
  start(): void {
    const present = this.#replicas.filter(
      ({ state, goneAtMs }) => state !== 'dead' || this.#nowMs - goneAtMs < TIMES.leaseMs + TIMES.callMsMax,
    );
    if (present.length >= this.#contract.replicasMax) return;
    const lease = createContractLease({
      resource: 'r',
      holder: `h-${this.#replicas.length}`,
      contract: this.#contract,
      times: TIMES,
      clock: this.#clock(),
      allocate: async (_resource, request) => {
        if (!this.#isRedisUp || this.#fault === 'request_lost') throw new Error('Redis is away');
        const answer = await this.#redis.eval(this.#script, 1, this.#key, ...argumentsOf(request, this.#nowMs));
        if (this.#fault === 'answer_lost') throw new Error('the answer was lost');
        return grantOf(answer);
      },
    });
    this.#replicas.push({ lease, calls: [], state: 'alive', goneAtMs: 0, isGreedy: false, refreshAtMs: this.#nowMs });
  }

  #pick(state: Replica['state']): Replica | undefined {
    const fitting = this.#replicas.filter((replica) => replica.state === state);
    return fitting[this.#random.below(Math.max(1, fitting.length))];
  }

  /** One thing that happens. */
  async step(): Promise<void> {
    const dice = this.#random.below(100);
    if (dice < 36) await this.#refresh(this.#pick('alive'));
    else if (dice < 54) this.#call();
    else if (dice < 60) this.#sendSome();
    else if (dice < 68) this.#endSome();
    else if (dice < 70) this.#turnGreedy(this.#pick('alive'));
    else if (dice < 72) this.#turnGreedy(...this.#replicas);
    else if (dice < 88) await this.#pass(this.#random.below(400));
    else if (dice < 90) this.start();
    else if (dice < 92) this.#leave('dead');
    else if (dice < 94) this.#leave('paused');
    else if (dice < 96) this.#resume();
    else if (dice < 97) this.#isRedisUp = !this.#isRedisUp;
    else if (dice < 98) await this.#failOver();
    else await this.#pass(this.#random.below(6_000));
  }

  async #refresh(replica: Replica | undefined): Promise<void> {
    const dice = this.#random.below(20);
    this.#fault = dice === 0 ? 'request_lost' : dice < 3 ? 'answer_lost' : 'none';
    await replica?.lease.refresh().catch(() => undefined);
    // The worst moment: one goes by more than it is meant to, stays cut off for a while, and everybody wants all there is.
    if (replica !== undefined && this.#fault === 'answer_lost' && this.#random.below(2) === 0) {
      replica.refreshAtMs = this.#nowMs + TIMES.leaseMs;
      for (const each of this.#replicas) each.isGreedy = true;
    }
    if (this.#random.below(3) > 0) return;
    const state = await this.#redis.get(this.#key);
    if (state !== null) this.#snapshots.push(state);
  }

  #turnGreedy(...replicas: readonly (Replica | undefined)[]): void {
    const isGreedy = this.#random.below(3) > 0;
    for (const replica of replicas) if (replica !== undefined) replica.isGreedy = isGreedy;
  }

  #call(): void {
    const replica = this.#pick('alive');
    if (replica !== undefined) this.#take(replica, this.#random.below(8), 0.25);
  }

  /** @param later the part of the calls that write their request only after what happens next. */
  #take(replica: Replica, most: number, later: number): void {
    for (let wanted = most; wanted > 0; wanted -= 1) {
      const place = replica.lease.acquire();
      if (place === undefined) {
        replica.lease.refuse();
        return;
      }
      const call: Call = { place, beganAtMs: undefined, isOver: false };
      replica.calls.push(call);
      if (this.#random.fraction() >= later) this.#send(call);
    }
  }

  #sendSome(): void {
    const replica = this.#pick('alive');
    for (const call of replica?.calls ?? []) {
      if (call.beganAtMs !== undefined) continue;
      this.#send(call);
      if (call.beganAtMs === undefined) call.isOver = true;
    }
    this.#hear(replica);
  }

  #send(call: Call): void {
    if (call.place.whyNotSend() !== undefined) return;
    call.beganAtMs = this.#nowMs;
    const { perSecond } = this.#contract;
    const leaked = ((this.#nowMs - this.#requestAtMs) * (perSecond ?? 0)) / 1_000;
    this.#burst = Math.max(0, this.#burst - leaked) + 1;
    this.#mostBurst = Math.max(this.#mostBurst, this.#burst);
    this.#requestAtMs = this.#nowMs;
    if (this.#contract.concurrencyMax === undefined) call.isOver = true;
    const underWay = this.#replicas
      .flatMap(({ calls }) => calls)
      .filter(({ beganAtMs, isOver }) => beganAtMs !== undefined && !isOver).length;
    this.#mostCalls = Math.max(this.#mostCalls, underWay);
  }

  #endSome(): void {
    const replica = this.#pick('alive');
    for (const call of replica?.calls.slice(0, this.#random.below(6)) ?? []) call.isOver = true;
    this.#hear(replica);
  }

  #leave(state: 'dead' | 'paused'): void {
    const replica = this.#pick('alive');
    if (replica === undefined) return;
    replica.state = state;
    replica.goneAtMs = this.#nowMs;
  }

  #resume(): void {
    const replica = this.#pick('paused');
    if (replica === undefined) return;
    replica.state = 'alive';
    // What had its place before may be written before anything else is noticed.
    if (this.#random.below(2) === 0)
      for (const call of replica.calls) if (call.beganAtMs === undefined) this.#send(call);
    this.#hear(replica);
  }

  /** What was written last is lost, and another server answers. */
  async #failOver(): Promise<void> {
    const back = this.#random.below(12);
    const older = this.#snapshots.at(-1 - back);
    if (older === undefined || this.#random.below(5) === 0) await this.#redis.del(this.#key);
    else await this.#redis.set(this.#key, JSON.stringify({ ...JSON.parse(older), run: 'another' }));
  }

  /** Replicas refresh in their time. */
  async #pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= STEP_MS) {
      this.#advance(Math.min(leftMs, STEP_MS));
      for (const replica of this.#replicas) {
        if (replica.state !== 'alive') continue;
        if (replica.isGreedy) this.#take(replica, Number.POSITIVE_INFINITY, 0);
        if (this.#nowMs < replica.refreshAtMs) continue;
        replica.refreshAtMs = this.#nowMs + TIMES.refreshMs;
        await this.#refresh(replica);
      }
    }
  }

  /** The channel ends every call within its time; a process that is paused or dead hears nothing of it. */
  #advance(ms: number): void {
    this.#nowMs += ms;
    for (const replica of this.#replicas) {
      for (const call of replica.calls) {
        if (call.beganAtMs !== undefined && this.#nowMs - call.beganAtMs >= TIMES.callMsMax) call.isOver = true;
      }
      if (replica.state === 'alive') this.#hear(replica);
    }
  }

  /** A process hears that calls are over. */
  #hear(replica: Replica | undefined): void {
    if (replica === undefined) return;
    for (const { place, isOver } of replica.calls) if (isOver) place.release();
    replica.calls = replica.calls.filter(({ isOver }) => !isOver);
  }
}
