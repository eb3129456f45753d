import type { Claim, Sure, SweepableClaim } from '../../src/order-group.ts';
import type { InstanceGroup } from './group-of-instance.ts';
import type { Variant } from './world.ts';

const NONE: Sure<Claim | undefined> = { kind: 'sure', value: undefined };

/** A protocol with one of its precautions left out; the simulation has to find each of them out. */
export type Mutant = {
  readonly what: string;
  readonly variant: Variant;
  /** A little before a seed that finds it: where a short test begins to look. */
  readonly nearSeed: number;
};

const changing = (what: string, mutate: (group: InstanceGroup) => Partial<InstanceGroup>, nearSeed = 1): Mutant => ({
  what,
  nearSeed,
  variant: { mutate: (group) => ({ ...group, ...mutate(group) }) },
});

/** Known-bad variants of the protocol, of what the servers do, and of how the map is changed. */
export const MUTANTS: readonly Mutant[] = [
  changing('home does not look at the claim', () => ({ readClaim: async () => NONE })),
  changing('the jumper does not read home', () => ({ readByQuorum: async () => ({ kind: 'sure', value: undefined }) })),
  { what: 'a quorum is one node', variant: { rules: { quorum: 1 } }, nearSeed: 1 },
  { what: 'a quorum does not wait until its nodes are drained', variant: { rules: { drains: false } }, nearSeed: 1 },
  changing('no acknowledged write before the claim is read', () => ({
    touch: async () => 'won',
    activate: async () => 'won',
  })),
  { what: 'semi-sync is degraded', variant: { rules: { semiSync: false } }, nearSeed: 1 },
  changing('a claim read at a primary counts without a confirming write', (group) => ({
    readClaim: (of) => group.readClaimUnconfirmed(of),
  })),
  changing('a bound claim counts without a confirming write', (group) => ({
    readClaim: async (of, deadline) => {
      const plain = await group.readClaimUnconfirmed(of);
      return plain.kind === 'sure' && plain.value?.state === 'bound' ? plain : group.readClaim(of, deadline);
    },
  })),
  changing('an undecided claim counts as none', (group) => ({
    readClaim: async (of, deadline) => {
      const claim = await group.readClaim(of, deadline);
      return claim.kind === 'unsure' ? NONE : claim;
    },
  })),
  changing('an INSERT without an answer counts as written', (group) => ({
    insertPaying: async (...order) => {
      const written = await group.insertPaying(...order);
      return written.kind === 'ambiguous' ? { kind: 'written' } : written;
    },
  })),
  changing('a claim without an answer counts as bound', (group) => ({
    bindClaim: async (...claim) => {
      const bound = await group.bindClaim(...claim);
      return bound === 'failed' ? 'won' : bound;
    },
  })),
  changing('a claim counts as abandoned whoever has bound it', (group) => ({
    abandonClaim: async (...claim) => {
      await group.abandonClaim(...claim);
      return 'won';
    },
  })),
  {
    what: 'a promotion consults one of the two other nodes',
    variant: { rules: { promotionConsultsBoth: false } },
    nearSeed: 1,
  },
  { what: 'earlier maps are not consulted', variant: { forgetsEarlierMaps: true }, nearSeed: 1 },
  changing('INSERTs are not fenced by the map', (group) => ({
    insertPaying: (orderNo, payment, _version, deadline) =>
      group.insertPaying(orderNo, payment, group.epochAtPrimary(), deadline),
    insertJumped: (orderNo, payment, home, _version, deadline) =>
      group.insertJumped(orderNo, payment, home, group.epochAtPrimary(), deadline),
  })),
  changing(
    'an earlier place counts though its group still admits writers of the earlier map',
    (group) => ({
      readHolding: async (of, deadline) => {
        const seen = await group.readHolding(of, deadline);
        return seen.kind === 'sure' ? { kind: 'sure', value: { ...seen.value, mapVersion: group.newestMap() } } : seen;
      },
    }),
    4100,
  ),
  changing(
    'a row is decided with the buddy that today’s map gives it',
    (group) => ({
      readHolding: async (of, deadline) => {
        const seen = await group.readHolding(of, deadline);
        if (seen.kind === 'unsure' || seen.value.order === undefined) return seen;
        return { kind: 'sure', value: { ...seen.value, order: { ...seen.value.order, mapVersion: 0 } } };
      },
      readOrder: async (of, deadline) => {
        const order = await group.readOrder(of, deadline);
        return order && { ...order, mapVersion: 0 };
      },
    }),
    8100,
  ),
  changing(
    'the sweep believes the list of claims',
    (group) => {
      let listed: readonly SweepableClaim[] = [];
      return {
        claimsToSweep: async (...wish) => {
          listed = await group.claimsToSweep(...wish);
          return listed;
        },
        readClaim: async (of, deadline) => {
          const known = listed.find((claim) => claim === of);
          return known === undefined ? group.readClaim(of, deadline) : { kind: 'sure', value: known };
        },
      };
    },
    700,
  ),
];
