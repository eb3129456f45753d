import { ManualClock, type Random, seededRandom } from '@tillmesh/clock';
import { formatOrderNo, type GroupTag, groupTag, groupTagOf, type OrderNo } from '@tillmesh/domain';
import { createLog } from '@tillmesh/telemetry';
import { type Created, createBounce } from '../../src/bounce.ts';
import type { GroupMap } from '../../src/group-map.ts';
import type { GroupMaps } from '../../src/group-maps.ts';
import type { MerchantOrder, NewPayment } from '../../src/order-group.ts';
import type { OrderNumberSource } from '../../src/order-number-source.ts';
import { OPEN_CLAIM_KEPT_MS, sweepClaim } from '../../src/sweep-claim.ts';
import { merchantOrder, paymentOf } from './a-payment.ts';
import { CALM, groupOfInstance, type InstanceGroup, type Weather } from './group-of-instance.ts';
import { type GroupRules, ModelledGroup, RIGHT_RULES } from './modelled-group.ts';
import { keyOf } from './node-log.ts';
import { Turns } from './turns.ts';

/** What one schedule came to. */
export type Verdict = {
  /** Numbers with more than one order that a caller was allowed to pay. */
  readonly twoPayable: number;
  /** Orders that were allowed to be paid and are void or undecided in the end. */
  readonly takenBack: number;
  /** Numbers that were paid once; the protocol must not win by refusing. */
  readonly paid: number;
  /** Numbers that no repeat decides although everything is well again. */
  readonly undecided: number;
  readonly numbers: number;
  readonly steps: number;
};

/** A known-bad variant: of the servers' rules, of how an instance meets a group, or of what it knows of maps. */
export type Variant = {
  readonly rules?: Partial<GroupRules>;
  readonly mutate?: (group: InstanceGroup, chance: Random) => InstanceGroup;
  readonly forgetsEarlierMaps?: true;
};

const TAGS: readonly GroupTag[] = [1, 2, 3, 4].map((tag) => groupTag(tag));
const CALLERS = 3;
const TRIES = 3;
const STEPS_MAX = 4_000;
/** Of all steps, those that groups make by themselves. */
const ENVIRONMENT_SHARE = 0.75;
const NEWER_MAP_WAITS = 6;
const BUMP_TRIES = 6;
/** Groups that somebody who changes the map does not wait for. */
const LEFT_OUT_SHARE = 0.15;
const SWEEPS_MAX = 4;
/** What the end may take. */
const ENDING_STEPS = 2_000;
const CLOCK = new ManualClock();
const LOG = createLog('simulation', 'silent');
const CONFIG = { createMsMax: 1_000, homeMsMax: 450 };
const DEADLINE = { atMs: 1_000 };

const mapOf = (version: number, open: readonly GroupTag[]): GroupMap => ({
  version,
  groups: TAGS.map((tag) => ({ tag, state: open.includes(tag) ? 'open' : 'closed', endpoints: [] })),
});

/** Maps that follow each other: a group comes, another closes. */
const mapsOf = (chance: Random): readonly GroupMap[] => {
  const open = new Set(TAGS.slice(0, 3));
  const maps = [mapOf(1, [...open])];
  for (let changes = [0, 1, 2, 2][chance.below(4)] ?? 0; changes > 0; changes -= 1) {
    const tag = TAGS[chance.below(TAGS.length)] as GroupTag;
    if (open.has(tag) && open.size > 2) open.delete(tag);
    else open.add(tag);
    maps.push(mapOf(maps.length + 1, [...open]));
  }
  return maps;
};

/** One schedule: callers, maps that change, groups that fail and heal, and sweepers, in an order that the seed decides. */
export class World {
  readonly #chance: Random;
  readonly #turns: Turns;
  readonly #variant: Variant;
  #weather: Weather;
  /** Tasks begin within so many turns. */
  readonly #haste: number;
  readonly #groups: ReadonlyMap<GroupTag, ModelledGroup>;
  readonly #groupList: readonly ModelledGroup[];
  readonly #maps: readonly GroupMap[];
  /** How many of the maps are in force. */
  #mapsActive = 1;
  #numbersDrawn = 0;
  #steps = 0;
  #tasks = 0;
  #undecided = 0;
  #isEnding = false;
  readonly #numbers: readonly MerchantOrder[];
  readonly #payable = new Map<string, Set<OrderNo>>();

  constructor(seed: number, variant: Variant = {}) {
    this.#chance = seededRandom(seed);
    this.#turns = new Turns(this.#chance);
    this.#variant = variant;
    const chance = this.#chance;
    const oneOf = (values: readonly number[]): number => values[chance.below(values.length)] ?? 0;
    // Each schedule is hard in another way: what is always present hides what needs its absence.
    this.#weather = {
      lostShare: oneOf([0, 0.1, 0.3]),
      avoidedShare: oneOf([0, 0.1, 0.5]),
      mistakenShare: oneOf([0, 0.2, 0.5]),
      elsewhereShare: oneOf([0.1, 0.5]),
      waitsMax: oneOf([4, 8, 16]),
    };
    this.#haste = oneOf([10, 40, 120]);
    const doubleFaults = chance.fraction() < 0.3;
    const rules = { ...RIGHT_RULES, doubleFaults, failuresPercent: oneOf([1, 4, 11]), ...variant.rules };
    this.#groups = new Map(TAGS.map((tag) => [tag, new ModelledGroup(tag, rules, this.#chance)]));
    this.#groupList = [...this.#groups.values()];
    this.#maps = mapsOf(this.#chance);
    const count = this.#chance.fraction() < 0.25 ? 2 : 1;
    this.#numbers = Array.from({ length: count }, (_, index) =>
      merchantOrder(`k${this.#chance.below(1_000)}-${index}`),
    );
    for (let index = 0; index < CALLERS; index += 1) this.#start(this.#caller(index));
    for (let left = chance.below(SWEEPS_MAX + 1); left > 0; left -= 1) this.#start(this.#sweeper());
    this.#start(this.#administrator());
  }

  #start(task: Promise<void>): void {
    this.#tasks += 1;
    task.then(
      () => {
        this.#tasks -= 1;
      },
      (error: unknown) => {
        throw error;
      },
    );
  }

  get isOver(): boolean {
    const isDone = this.#tasks === 0 || this.#steps >= STEPS_MAX;
    if (!isDone || this.#isEnding) return isDone;
    // Everything is well again: now every number has to come to a decision.
    this.#isEnding = true;
    this.#steps = Math.min(this.#steps, STEPS_MAX - ENDING_STEPS);
    this.#weather = CALM;
    for (const group of this.#groupList) group.calmDown();
    this.#start(this.#end());
    return false;
  }

  async #end(): Promise<void> {
    this.#mapsActive = this.#maps.length;
    await this.#bumpAll(this.#mapsActive);
    await this.#sweep();
    for (const of of this.#numbers) if (await this.#staysUndecided(of)) this.#undecided += 1;
  }

  async #staysUndecided(of: MerchantOrder): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const created = await this.#create(paymentOf(of, 'last', false), true);
      if (created.kind === 'payable') this.#allow(of, created.orderNo);
      if (created.kind !== 'repeat') return false;
    }
    return true;
  }

  /** Lets groups live until somebody's turn comes; what that one does has to run before the next call. */
  step(): void {
    const groups = this.#groupList;
    while (this.#steps < STEPS_MAX) {
      this.#steps += 1;
      if (this.#chance.fraction() < ENVIRONMENT_SHARE) {
        groups[this.#chance.below(groups.length)]?.step();
      } else {
        this.#turns.next();
        return;
      }
    }
  }

  readonly #orderNumbers: OrderNumberSource = {
    next: async (tag) => {
      this.#numbersDrawn += 1;
      return formatOrderNo({
        day: 1,
        msOfDay: this.#numbersDrawn,
        groupTag: tag,
        workerId: 1,
        sequence: 0,
      });
    },
  };

  /** One instance of the order store; it meets a group when it first needs it. */
  #instance() {
    const chance = this.#chance;
    const groups = new Map<GroupTag, InstanceGroup>();
    const groupAt = (tag: GroupTag): InstanceGroup => {
      const known = groups.get(tag);
      if (known !== undefined) return known;
      const met = this.#meet(tag);
      groups.set(tag, met);
      return met;
    };
    let known = 1 + chance.below(this.#mapsActive);
    const learn = () => {
      known = this.#mapsActive;
    };
    const maps: GroupMaps = {
      current: () => ({
        map: this.#maps[known - 1] as GroupMap,
        earlier: this.#variant.forgetsEarlierMaps ? [] : this.#maps.slice(0, known - 1).toReversed(),
      }),
      newerThan: async (version) => {
        for (let waits = 0; waits < NEWER_MAP_WAITS; waits += 1) {
          if (this.#mapsActive > version) {
            learn();
            return true;
          }
          await this.#turns.turn();
        }
        return false;
      },
    };
    return { groupAt, maps, learn };
  }

  /** With the belief of who is primary that somebody had lately, or has now. */
  #meet(tag: GroupTag): InstanceGroup {
    const group = this.#groups.get(tag) as ModelledGroup;
    const met = groupOfInstance(group, {
      turns: this.#turns,
      chance: this.#chance,
      newestMap: () => this.#mapsActive,
      weather: this.#weather,
    });
    return this.#variant.mutate?.(met, this.#chance) ?? met;
  }

  async #wait(turnsMax: number): Promise<void> {
    await this.#turns.after(this.#chance.below(turnsMax));
  }

  async #caller(index: number): Promise<void> {
    const chance = this.#chance;
    const of = this.#numbers[index % this.#numbers.length] as MerchantOrder;
    const payment = paymentOf(of, `caller-${index}`, chance.fraction() < 0.1);
    if (chance.fraction() < 0.6) await this.#wait(this.#haste);
    for (let tries = 0; tries < TRIES; tries += 1) {
      const created = await this.#create(payment, chance.fraction() < 0.5);
      // The answer may be lost, and its caller asks again.
      const isLost = chance.fraction() < 0.15;
      if (created.kind === 'payable') {
        this.#allow(of, created.orderNo);
        if (!isLost && chance.fraction() < 0.7) await this.#pay(created.orderNo);
      }
      if (created.kind !== 'repeat' && !isLost) return;
      await this.#turns.turn();
    }
  }

  /** A request at an instance of its own; `knowsMap`: it has heard of the newest map. */
  #create(payment: NewPayment, knowsMap: boolean): Promise<Created> {
    const { groupAt, maps, learn } = this.#instance();
    if (knowsMap) learn();
    const bounce = createBounce({
      maps,
      group: groupAt,
      numbers: this.#orderNumbers,
      config: CONFIG,
      clock: CLOCK,
      log: LOG,
    });
    return bounce.create(payment);
  }

  /** The channel is called and answers; the order store writes it down, or cannot. */
  async #pay(orderNo: OrderNo): Promise<void> {
    const { groupAt } = this.#instance();
    await groupAt(groupTagOf(orderNo)).moveOrder(orderNo, ['paying'], 'succeeded');
  }

  #allow(of: MerchantOrder, orderNo: OrderNo): void {
    const payable = this.#payable.get(keyOf(of)) ?? new Set();
    this.#payable.set(keyOf(of), payable.add(orderNo));
  }

  async #administrator(): Promise<void> {
    while (this.#mapsActive < this.#maps.length) {
      await this.#wait(this.#haste);
      await this.#bumpAll(this.#mapsActive + 1, true);
      // A group that could not be told stays behind; what it holds does not count until it was.
      this.#mapsActive += 1;
      this.#start(this.#tellThoseBehind(this.#mapsActive));
    }
  }

  async #bumpAll(version: number, isHasty = false): Promise<void> {
    const { groupAt } = this.#instance();
    await Promise.all(
      TAGS.map(async (tag) => {
        // A group that cannot be told in time is told later.
        if (isHasty && this.#chance.fraction() < LEFT_OUT_SHARE) return;
        await this.#bump(groupAt(tag), version);
      }),
    );
  }

  async #bump(group: InstanceGroup, version: number): Promise<void> {
    for (let tries = 0; tries < BUMP_TRIES; tries += 1) {
      group.look();
      if ((await group.bumpEpoch(version)) !== 'failed') return;
      await this.#turns.turn();
    }
  }

  async #tellThoseBehind(version: number): Promise<void> {
    await this.#wait(100);
    await this.#bumpAll(version);
  }

  async #sweeper(): Promise<void> {
    await this.#wait(this.#haste * 2);
    await this.#sweep();
  }

  async #sweep(): Promise<void> {
    const { groupAt } = this.#instance();
    for (const tag of TAGS) {
      const group = groupAt(tag);
      for (const claim of await group.claimsToSweep(10, DEADLINE)) {
        await sweepClaim(claim, {
          at: group,
          home: groupAt(claim.home),
          numbers: this.#orderNumbers,
          giveBack: async () => false,
          nowMs: OPEN_CLAIM_KEPT_MS,
          deadline: DEADLINE,
          log: LOG,
        });
      }
    }
  }

  /** Counts, once it is over. */
  verdict(): Verdict {
    const stateOf = (orderNo: OrderNo) => {
      for (const group of this.#groups.values()) {
        const row = group.view(group.primary).orders.get(orderNo);
        if (row !== undefined) return row.state;
      }
      return undefined;
    };
    const payable = [...this.#payable.values()];
    const takenBack = payable
      .flatMap((orders) => [...orders])
      .filter((orderNo) => ['void', 'unbound', undefined].includes(stateOf(orderNo))).length;
    return {
      twoPayable: payable.filter(({ size }) => size > 1).length,
      takenBack,
      paid: payable.filter(({ size }) => size === 1).length,
      undecided: this.#undecided,
      numbers: this.#numbers.length,
      steps: this.#steps,
    };
  }
}
