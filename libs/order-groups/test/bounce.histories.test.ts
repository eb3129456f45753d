import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type History, type Mutation, playHistory, tapeOf } from './bounce-history.ts';
import { newPayment } from './new-payment.ts';

// Three callers with three tries each want one merchant order number, through instances that die, over two groups whose writes are
// refused, lost, carried out late or without an answer, and whose reads are stale or undecided.

describe('whatever the order of steps, whoever dies and whatever is lost,', () => {
  test('one merchant order number has at most one payable order, which stays payable and is what its caller asked for', async () => {
    await fc.assert(
      fc.asyncProperty(tapeOf, async (tape) => {
        const history = await playHistory(tape);
        expect([...history.payable].slice(1)).toEqual([]);
        expect(history).toMatchObject({ takenBack: [], paidOtherwise: [], wronglyShown: [] });
      }),
      { numRuns: 5_000 },
    );
  });

  test('most numbers are paid all the same: the protocol does not win by refusing', async () => {
    const tapes = fc.sample(tapeOf, { numRuns: 500, seed: 1 });
    let paid = 0;
    for (const tape of tapes) paid += (await playHistory(tape)).payable.size;
    expect(paid / tapes.length).toBeGreaterThan(0.7);
  });

  test('and without any fault always one', async () => {
    const faultless = fc.array(fc.nat(40), { maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(faultless, async (tape) => {
        expect((await playHistory(tape)).payable.size).toBe(1);
      }),
      { numRuns: 300 },
    );
  });
});

const NONE = { kind: 'sure', value: undefined } as const;

// A test that cannot fail shows nothing: each of these was thought of as a simplification at some time.
const MUTANTS: readonly (readonly [what: string, breaks: keyof History, mutation: Mutation])[] = [
  ['does not look at the claim', 'payable', (group) => ({ ...group, readClaim: async () => NONE })],
  ['binds without reading home', 'payable', (group) => ({ ...group, readByQuorum: async () => NONE })],
  [
    'takes an undecided claim for none',
    'payable',
    (group) => ({
      ...group,
      readClaim: async (...question) => {
        const claim = await group.readClaim(...question);
        return claim.kind === 'unsure' ? NONE : claim;
      },
    }),
  ],
  [
    'takes an undecided home for an empty one',
    'payable',
    (group) => ({
      ...group,
      readByQuorum: async (...question) => {
        const seen = await group.readByQuorum(...question);
        return seen.kind === 'unsure' ? NONE : seen;
      },
    }),
  ],
  [
    'asks one node of home where two are to be asked',
    'payable',
    (group, fate) => ({
      ...group,
      readByQuorum: async (...question) => (fate.happens(30) ? NONE : group.readByQuorum(...question)),
    }),
  ],
  [
    'believes a claim that it saw a moment ago',
    'payable',
    (group, fate) => {
      const seen: Awaited<ReturnType<typeof group.readClaim>>[] = [NONE];
      return {
        ...group,
        readClaim: async (...question) => {
          seen.push(await group.readClaim(...question));
          return seen.at(fate.happens(30) ? -2 : -1) ?? NONE;
        },
      };
    },
  ],
  [
    'takes a lost write of the claim for a won one',
    'payable',
    (group) => ({
      ...group,
      abandonClaim: async (...claim) => {
        await group.abandonClaim(...claim);
        return 'won';
      },
    }),
  ],
  [
    'takes a bind without an answer for a won one',
    'payable',
    (group) => ({
      ...group,
      bindClaim: async (...claim) => {
        const bound = await group.bindClaim(...claim);
        return bound === 'failed' ? 'won' : bound;
      },
    }),
  ],
  [
    'takes an INSERT without an answer for a written one',
    'payable',
    (group) => ({
      ...group,
      insertPaying: async (...order) => {
        const written = await group.insertPaying(...order);
        return written.kind === 'ambiguous' ? { kind: 'written' } : written;
      },
    }),
  ],
  [
    'takes an order that is merely visible for an acknowledged one',
    'payable',
    (group) => ({ ...group, touch: async () => 'won' }),
  ],
  [
    'takes an order back, whoever has written it since',
    'takenBack',
    (group) => ({
      ...group,
      unbind: async (orderNo, _version, ...rest) => {
        const stored = await group.readOrder(newPayment(), { atMs: 0 });
        return group.unbind(orderNo, stored?.payment.version ?? 0, ...rest);
      },
    }),
  ],
];

describe('the histories find a protocol that', () => {
  for (const [what, breaks, mutation] of MUTANTS) {
    test(what, async () => {
      const found = await fc.check(
        fc.asyncProperty(tapeOf, async (tape) => {
          const history = await playHistory(tape, mutation);
          return breaks === 'payable' ? history.payable.size <= 1 : history[breaks].length === 0;
        }),
        { seed: 1, numRuns: 40_000, endOnFailure: true },
      );
      expect(found.failed).toBe(true);
    });
  }
});
