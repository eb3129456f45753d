import type { Clock, Random } from '@tillmesh/clock';
import type { Redis } from 'ioredis';
import { ALLOCATE } from '../src/allocation-script.ts';
import {
  argumentsOf,
  type Contract,
  type ContractLease,
  type ContractTimes,
  createContractLease,
  grantOf,
} from '../src/contract-lease.ts';
import type { Slot } from '../src/slots.ts';

/** Short times: what matters is only how they stand to each other. */
export const TIMES: ContractTimes = { leaseMs: 1_000, refreshMs: 300, callMsMax: 4_000 };

type Call = { readonly beganAtMs: number; readonly slot: Slot };
type Replica = {
  readonly lease: ContractLease;
  calls: Call[];
  state: 'alive' | 'paused' | 'dead';
  goneAtMs: number;
};

type Fault = 'none' | 'request_lost' | 'answer_lost';

/**
 * Replicas with clocks of their own that go too fast or too slowly, one Redis, whose script is the real one run by a real server
 * with the time of this world, and a channel that counts what is under way.
 */
export class World {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #script: string;
  readonly #contract: Contract;
  readonly #random: Random;
  #nowMs = 1_000_000;
  readonly #replicas: Replica[] = [];
  #fault: Fault = 'none';
  #isRedisUp = true;
  readonly #snapshots: string[] = [];
  #most = 0;

  constructor(options: { redis: Redis; key: string; script?: string; contract: Contract; random: Random }) {
    this.#redis = options.redis;
    this.#key = options.key;
    this.#script = options.script ?? ALLOCATE;
    this.#contract = options.contract;
    this.#random = options.random;
  }

  /** The most calls that were ever under way at the channel at once. */
  get most(): number {
    return this.#most;
  }

  #clock(): Clock {
    const rate = 0.97 + this.#random.fraction() * 0.06;
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
    this.#replicas.push({ lease, calls: [], state: 'alive', goneAtMs: 0 });
  }

  #pick(state: Replica['state']): Replica | undefined {
    const fitting = this.#replicas.filter((replica) => replica.state === state);
    return fitting[this.#random.below(Math.max(1, fitting.length))];
  }

  /** One thing that happens. */
  async step(): Promise<void> {
    const dice = this.#random.below(100);
    if (dice < 30) await this.#refresh();
    else if (dice < 60) this.#call();
    else if (dice < 72) this.#endSome();
    else if (dice < 88) this.#pass(this.#random.below(400));
    else if (dice < 90) this.start();
    else if (dice < 92) this.#leave('dead');
    else if (dice < 94) this.#leave('paused');
    else if (dice < 96) this.#resume();
    else if (dice < 97) this.#isRedisUp = !this.#isRedisUp;
    else if (dice < 98) await this.#failOver();
    else this.#pass(this.#random.below(6_000));
  }

  async #refresh(): Promise<void> {
    const replica = this.#pick('alive');
    const dice = this.#random.below(10);
    this.#fault = dice === 0 ? 'request_lost' : dice === 1 ? 'answer_lost' : 'none';
    await replica?.lease.refresh().catch(() => undefined);
    const state = await this.#redis.get(this.#key);
    if (state !== null) this.#snapshots.push(state);
  }

  #call(): void {
    const replica = this.#pick('alive');
    for (let wanted = this.#random.below(8); wanted > 0 && replica !== undefined; wanted -= 1) {
      const slot = replica.lease.acquire();
      if (slot === undefined) return;
      replica.calls.push({ beganAtMs: this.#nowMs, slot });
      this.#count();
    }
  }

  #endSome(): void {
    const replica = this.#pick('alive');
    for (let ending = this.#random.below(6); ending > 0; ending -= 1) replica?.calls.shift()?.slot.release();
  }

  #leave(state: 'dead' | 'paused'): void {
    const replica = this.#pick('alive');
    if (replica === undefined) return;
    replica.state = state;
    replica.goneAtMs = this.#nowMs;
  }

  #resume(): void {
    const replica = this.#pick('paused');
    if (replica !== undefined) replica.state = 'alive';
  }

  /** What was written last is lost, and another server answers. */
  async #failOver(): Promise<void> {
    const back = this.#random.below(12);
    const older = this.#snapshots.at(-1 - back);
    if (older === undefined || this.#random.below(5) === 0) await this.#redis.del(this.#key);
    else await this.#redis.set(this.#key, JSON.stringify({ ...JSON.parse(older), run: 'another' }));
  }

  /** The channel ends every call within its time; a process that is paused or dead hears nothing of it. */
  #pass(ms: number): void {
    this.#nowMs += ms;
    for (const replica of this.#replicas) {
      replica.calls = replica.calls.filter(({ beganAtMs, slot }) => {
        if (this.#nowMs - beganAtMs < TIMES.callMsMax) return true;
        slot.release();
        return false;
      });
    }
  }

  #count(): void {
    const underWay = this.#replicas.reduce((sum, { calls }) => sum + calls.length, 0);
    this.#most = Math.max(this.#most, underWay);
  }
}
