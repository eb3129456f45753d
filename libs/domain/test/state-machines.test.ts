import { describe, expect, test } from 'vitest';
import {
  ATTEMPT_MOVES,
  ATTEMPT_STATES,
  allowedPairs,
  isFinal,
  isFinalPayment,
  isLiveAttempt,
  type Moves,
  nextState,
  PAYMENT_MOVES,
  PAYMENT_STATES,
  REFUND_MOVES,
  REFUND_STATES,
} from '../src/index.ts';

/**
 * Each machine once more, in the order of its states and written by hand, so that a move which slips into a table of src is
 * seen here: `from: event>to event>to`.
 */
const MACHINES = [
  {
    name: 'payment',
    states: PAYMENT_STATES,
    moves: PAYMENT_MOVES as Moves<string, string>,
    events: ['bound', 'deferred', 'voided', 'confirmed', 'declined', 'failed', 'closed', 'continued'],
    finals: ['succeeded', 'failed', 'closed', 'void'],
    table: `
      unbound: bound>paying voided>void
      paying: confirmed>succeeded declined>declined failed>failed closed>closed deferred>unbound voided>void
      declined: continued>paying confirmed>succeeded closed>closed
      succeeded:
      failed:
      closed:
      void:`,
  },
  {
    name: 'attempt',
    states: ATTEMPT_STATES,
    moves: ATTEMPT_MOVES as Moves<string, string>,
    events: ['awaits_payer', 'in_process', 'lost', 'confirmed', 'refused', 'closed', 'overpaid'],
    finals: ['succeeded', 'surplus'],
    table: `
      started: awaits_payer>pending_payer in_process>processing lost>unknown confirmed>succeeded refused>failed closed>closed overpaid>surplus
      pending_payer: in_process>processing confirmed>succeeded refused>failed closed>closed overpaid>surplus
      processing: awaits_payer>pending_payer confirmed>succeeded refused>failed closed>closed overpaid>surplus
      unknown: awaits_payer>pending_payer in_process>processing confirmed>succeeded refused>failed closed>closed overpaid>surplus
      succeeded:
      failed: confirmed>succeeded overpaid>surplus
      closed: confirmed>succeeded overpaid>surplus
      surplus:`,
  },
  {
    name: 'refund',
    states: REFUND_STATES,
    moves: REFUND_MOVES as Moves<string, string>,
    events: ['in_process', 'lost', 'confirmed', 'refused', 'stuck'],
    finals: ['succeeded', 'failed'],
    table: `
      requested: in_process>processing lost>unknown confirmed>succeeded refused>failed stuck>abnormal
      processing: confirmed>succeeded refused>failed stuck>abnormal
      unknown: in_process>processing confirmed>succeeded refused>failed stuck>abnormal
      succeeded:
      failed:
      abnormal: confirmed>succeeded in_process>processing`,
  },
] as const;

const readTable = (table: string): ReadonlyMap<string, ReadonlyMap<string, string>> =>
  new Map(
    table
      .trim()
      .split('\n')
      .map((line) => {
        const [from = '', moves = ''] = line.trim().split(/: ?/);
        const pairs = moves.split(' ').filter((move) => move !== '');
        return [from, new Map(pairs.map((move) => move.split('>') as [string, string]))];
      }),
  );

for (const { name, states, moves, events, finals, table } of MACHINES) {
  describe(`a ${name}`, () => {
    const allowed = readTable(table);

    test('has exactly the states of its table', () => {
      expect(Object.keys(moves).toSorted()).toEqual([...states].toSorted());
      expect([...allowed.keys()]).toEqual([...states]);
    });

    for (const from of states) {
      for (const event of events) {
        const to = allowed.get(from)?.get(event);
        test(`that is ${from} ${to === undefined ? 'does not move' : `becomes ${to}`} on ${event}`, () => {
          expect(nextState(moves, from, event)).toBe(to);
        });
      }
    }

    test('has no event that is not listed here', () => {
      expect([...new Set(allowedPairs(moves).map(({ event }) => event))].toSorted()).toEqual([...events].toSorted());
    });

    test(`is final in ${finals.join(', ')} and nowhere else, and no event leaves those`, () => {
      expect(states.filter((state) => isFinal(moves, state))).toEqual(
        states.filter((state) => (finals as readonly string[]).includes(state)),
      );
      expect(allowedPairs(moves).filter(({ from }) => (finals as readonly string[]).includes(from))).toEqual([]);
    });

    test('gives the database the same pairs as its table', () => {
      const pairs = [...allowed].flatMap(([from, byEvent]) => [...byEvent].map(([event, to]) => ({ from, event, to })));
      const order = (pair: { from: string; event: string }) => `${pair.from} ${pair.event}`;
      const sorted = (list: readonly { from: string; event: string; to: string }[]) =>
        list.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
      expect(sorted(allowedPairs(moves))).toEqual(sorted(pairs));
    });
  });
}

test('a payment is final exactly where its machine ends', () => {
  for (const state of PAYMENT_STATES) expect(isFinalPayment(state)).toBe(isFinal(PAYMENT_MOVES, state));
});

test('an attempt is live as long as money may move by itself', () => {
  expect(ATTEMPT_STATES.filter(isLiveAttempt)).toEqual(['started', 'pending_payer', 'processing', 'unknown']);
});
