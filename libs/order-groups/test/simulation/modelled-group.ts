import type { Random } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import { ModelledNode, type Transaction, type View } from './node-log.ts';

/** How a group's servers and whoever runs them behave; a mutant breaks one of these. */
export type GroupRules = {
  /** So many drained nodes make a quorum. */
  readonly quorum: number;
  /** A quorum waits until a node has executed what it has received. */
  readonly drains: boolean;
  /** The primary waits for an acknowledgement before it shows and answers. */
  readonly semiSync: boolean;
  /** A promotion consults both other nodes and stops what they receive. */
  readonly promotionConsultsBoth: boolean;
  /** More than one node of a group may fail at once. */
  readonly doubleFaults: boolean;
  /** How many of a hundred things that happen are failures. */
  readonly failuresPercent: number;
};

export const RIGHT_RULES: GroupRules = {
  quorum: 2,
  drains: true,
  semiSync: true,
  promotionConsultsBoth: true,
  doubleFaults: false,
  failuresPercent: 6,
};

/** A primary and two semi-synchronous replicas, at the level of logs and acknowledgements. */
export class ModelledGroup {
  readonly tag: GroupTag;
  readonly rules: GroupRules;
  readonly nodes: readonly [ModelledNode, ModelledNode, ModelledNode];
  primary: ModelledNode;
  readonly #chance: Random;
  #isCalm = false;

  constructor(tag: GroupTag, rules: GroupRules, chance: Random) {
    this.tag = tag;
    this.rules = rules;
    this.#chance = chance;
    this.nodes = [new ModelledNode(), new ModelledNode(), new ModelledNode()];
    this.primary = this.nodes[0];
    this.primary.wasPrimary = true;
  }

  #isAcknowledged(node: ModelledNode, length: number): boolean {
    const last = node.log[length - 1];
    return this.nodes.some((other) => other !== node && other.log[length - 1] === last);
  }

  /** How many transactions of a node are visible there. */
  visible(node: ModelledNode): number {
    if (!node.wasPrimary) return node.executed;
    if (!this.rules.semiSync) return node.log.length;
    let length = node.recovered;
    while (length < node.log.length && this.#isAcknowledged(node, length + 1)) length += 1;
    return length;
  }

  /** One that is, or was, primary: what an instance that has not looked lately may believe in. */
  anyPrimary(): ModelledNode {
    const known = this.nodes.filter(({ wasPrimary }) => wasPrimary);
    return known[this.#chance.below(known.length)] ?? this.primary;
  }

  view(node: ModelledNode): View {
    return node.view(this.visible(node));
  }

  /** Carries out a write at a node that answers. `undefined` from `build`: its condition does not hold. */
  execute(node: ModelledNode, build: (view: View) => Transaction | undefined): Transaction | 'condition' | 'waits' {
    const visible = this.visible(node);
    const transaction = build(node.view(visible));
    if (transaction === undefined) return 'condition';
    if (node.hasToWait(transaction.locks, visible)) return 'waits';
    node.log.push(transaction);
    return transaction;
  }

  /** One thing that happens to the group by itself. */
  step(): void {
    if (this.#isCalm) {
      const node = this.nodes[this.#chance.below(3)] as ModelledNode;
      this.#replicate(node);
      this.#executeNext(node);
      return;
    }
    const chance = this.#chance.fraction();
    const node = this.nodes[this.#chance.below(3)] as ModelledNode;
    if (chance < 0.45) this.#replicate(node);
    else if (chance < 0.7) this.#executeNext(node);
    else if (chance < 0.8) this.#recover(node);
    else if (chance < 0.86) this.#promote();
    else if (chance < 0.89) this.#rebuild(node);
    else if (chance < 0.89 + this.rules.failuresPercent / 100) this.#fail(node);
  }

  #replicate(replica: ModelledNode): void {
    const { primary } = this;
    if (!primary.isUp || primary.isFrozen || replica === primary) return;
    if (!replica.isUp || replica.isFrozen || !replica.receives || !primary.includes(replica)) return;
    const next = primary.log[replica.log.length];
    if (next !== undefined) replica.log.push(next);
  }

  #executeNext(node: ModelledNode): void {
    if (node.isUp && !node.isFrozen && node.executed < node.log.length) node.executed += 1;
  }

  #fail(random: ModelledNode): void {
    // The moments that matter are those in which something is written and not acknowledged.
    const isWriting = this.primary.log.length > this.visible(this.primary);
    const node = isWriting && this.#chance.fraction() < 0.7 ? this.primary : random;
    const failed = this.nodes.filter((other) => !other.answers).length;
    if (failed > 0 && !(this.rules.doubleFaults && this.#chance.fraction() < 0.3)) return;
    const how = this.#chance.below(3);
    if (how === 0) node.isUp = false;
    else if (how === 1) node.isFrozen = true;
    else node.isCut = true;
  }

  #recover(node: ModelledNode): void {
    if (!node.isUp) {
      node.isUp = true;
      node.boots += 1;
      node.late = [];
      if (node.wasPrimary) node.recovered = node.log.length;
    }
    const { late } = node;
    node.late = [];
    const wasFrozen = node.isFrozen;
    node.isFrozen = false;
    node.isCut = false;
    if (wasFrozen) for (const statement of late) statement();
  }

  #promote(): void {
    const old = this.primary;
    if (old.answers && this.#chance.fraction() < 0.8) return;
    const others = this.nodes.filter((node) => node !== old);
    const usable = others.filter((node) => node.isUp && !node.isFrozen && !node.isFenced);
    if (usable.length < (this.rules.promotionConsultsBoth ? 2 : 1)) return;
    const chosen = usable.toSorted((a, b) => b.log.length - a.log.length)[0];
    if (chosen === undefined) return;
    chosen.executed = chosen.log.length;
    chosen.recovered = chosen.log.length;
    chosen.wasPrimary = true;
    old.receives = false;
    old.isFenced = true;
    this.primary = chosen;
  }

  #rebuild(node: ModelledNode): void {
    const { primary } = this;
    if (node === primary || !node.isUp || node.isFrozen || !primary.isUp || primary.isFrozen) return;
    if (!node.isFenced && primary.includes(node)) return;
    node.log = primary.log.slice(0, this.visible(primary));
    node.executed = node.log.length;
    node.isFenced = false;
    node.receives = true;
    node.wasPrimary = false;
    node.recovered = 0;
    node.late = [];
  }

  /** Everything is well again, stays so, and every node has everything. */
  calmDown(): void {
    this.#isCalm = true;
    for (const node of this.nodes) this.#recover(node);
    for (const node of this.nodes) this.#rebuild(node);
    for (let left = this.primary.log.length; left > 0; left -= 1) for (const node of this.nodes) this.#replicate(node);
    for (const node of this.nodes) node.executed = node.log.length;
  }
}
