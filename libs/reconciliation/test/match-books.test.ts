import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BillEntry,
  type BookEntry,
  type Discrepancy,
  type Matched,
  type MatchRules,
  matchBooks,
} from '../src/index.ts';

const DAY_MS = 86_400_000;
const RULES: MatchRules = { day: { beginsMs: 0, endsMs: DAY_MS }, boundaryMs: 60_000, feeToleranceMinor: 0n };
const NOON = DAY_MS / 2;

const keyOf = ({ kind, channelOrderNo, refundNo }: BookEntry | BillEntry) => `${kind} ${channelOrderNo} ${refundNo}`;
const sorted = <Entry extends BookEntry | BillEntry>(entries: readonly Entry[]): Entry[] =>
  entries.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));

const book = (no: string, more: Partial<BookEntry> = {}): BookEntry => ({
  kind: 'payment',
  channelOrderNo: no,
  refundNo: '',
  amount: 1_000n,
  currency: 'CNY',
  state: 'settled',
  atMs: NOON,
  fee: 6n,
  ...more,
});
const lineOf = (entry: BookEntry, more: Partial<BillEntry> = {}): BillEntry => ({
  kind: entry.kind,
  channelOrderNo: entry.channelOrderNo,
  refundNo: entry.refundNo,
  amount: entry.amount,
  currency: entry.currency,
  state: 'succeeded',
  atMs: entry.atMs,
  fee: entry.fee ?? 0n,
  repeated: false,
  lineNumber: 1,
  ...more,
});

const match = async (ours: readonly BookEntry[], theirs: readonly BillEntry[], rules = RULES) => {
  const found: Discrepancy[] = [];
  const steps = matchBooks(sorted(ours), sorted(theirs), rules);
  for (;;) {
    const step = await steps.next();
    if (step.done === true) return { found, sums: step.value };
    found.push(step.value);
  }
};
const classesOf = async (ours: readonly BookEntry[], theirs: readonly BillEntry[], rules = RULES) =>
  (await match(ours, theirs, rules)).found.map((one) => one.class);

describe('books and a bill', () => {
  const a = book('A');
  const late = book('A', { atMs: DAY_MS - 1_000 });
  const cases: readonly (readonly [string, readonly BookEntry[], readonly BillEntry[], readonly string[]])[] = [
    ['that say the same', [a], [lineOf(a)], []],
    [
      'of a payment and its refund',
      [a, book('A', { kind: 'refund', refundNo: 'R' })],
      [lineOf(a), lineOf(a, { kind: 'refund', refundNo: 'R' })],
      [],
    ],
    ['where the bill lacks it', [a], [], ['long']],
    ['where the bill lacks it within a minute of midnight', [late], [], ['cross_day']],
    ['where our books lack it', [], [lineOf(a)], ['unknown_order']],
    ['where nobody knew', [book('A', { state: 'open' })], [lineOf(a)], ['short']],
    ['where we believed that it failed', [book('A', { state: 'failed' })], [lineOf(a)], ['short']],
    ['where both say that it failed', [book('A', { state: 'failed' })], [lineOf(a, { state: 'failed' })], []],
    [
      'where nobody knows and the bill has it under way',
      [book('A', { state: 'open' })],
      [lineOf(a, { state: 'processing' })],
      [],
    ],
    ['where it is not in the bill and not settled', [book('A', { state: 'open' })], [], []],
    ['of another amount', [a], [lineOf(a, { amount: 1_001n })], ['amount']],
    ['of another currency', [a], [lineOf(a, { currency: 'USD' })], ['amount']],
    ['of another state', [a], [lineOf(a, { state: 'processing' })], ['state']],
    ['of a state that nobody knows', [a], [lineOf(a, { state: 'unknown' })], ['state']],
    ['of another fee', [a], [lineOf(a, { fee: 7n })], ['fee']],
    ['whose fee nobody knows', [book('A', { fee: undefined })], [lineOf(a, { fee: 7n })], []],
    ['of another amount and another fee', [a], [lineOf(a, { amount: 1n, fee: 7n })], ['amount', 'fee']],
    ['where the bill has it twice', [a], [lineOf(a), lineOf(a, { repeated: true })], ['duplicate']],
    [
      'where the bill has it three times, and we never',
      [],
      [lineOf(a), lineOf(a), lineOf(a)],
      ['unknown_order', 'duplicate', 'duplicate'],
    ],
    ['of the day before', [book('A', { atMs: -1_000 })], [lineOf(a, { atMs: 1_000 })], ['cross_day']],
    ['of another day, which the bill does not have', [book('A', { atMs: -1_000 })], [], []],
    ['of a reversal without a number', [book('A', { kind: 'refund' })], [lineOf(a, { kind: 'refund' })], []],
  ];
  for (const [what, ours, theirs, expected] of cases) {
    test(`${what}: ${expected.join(', ') || 'nothing'}`, async () => {
      expect(await classesOf(ours, theirs)).toEqual(expected);
    });
  }

  test('a fee within the tolerance is the same', async () => {
    const rules = { ...RULES, feeToleranceMinor: 1n };
    expect(await classesOf([a], [lineOf(a, { fee: 7n })], rules)).toEqual([]);
    expect(await classesOf([a], [lineOf(a, { fee: 8n })], rules)).toEqual(['fee']);
  });

  test('a side that is not in order, or our books with a number twice, is refused', async () => {
    const run = async (ours: readonly BookEntry[], theirs: readonly BillEntry[]) => {
      for await (const _found of matchBooks(ours, theirs, RULES));
    };
    await expect(run([book('B'), book('A')], [])).rejects.toThrow(/our side is not in order/);
    await expect(run([], [lineOf(book('B')), lineOf(a)])).rejects.toThrow(/the bill is not in order/);
    await expect(run([a, a], [lineOf(a)])).rejects.toThrow(/twice/);
    await expect(run([a, a], [])).rejects.toThrow(/twice/);
  });
});

/** What is planted in a bill, and what has to be found because of it. */
const PLANTS = [
  'none',
  'leave_out',
  'other_amount',
  'other_state',
  'other_fee',
  'twice',
  'unknown',
  'not_settled',
  'neighbour',
] as const;
type Plant = (typeof PLANTS)[number];
const EXPECTED: Readonly<Record<Plant, readonly string[]>> = {
  none: [],
  leave_out: ['long'],
  other_amount: ['amount'],
  other_state: ['state'],
  other_fee: ['fee'],
  twice: ['duplicate'],
  unknown: ['unknown_order'],
  not_settled: ['short'],
  neighbour: ['cross_day'],
};
const plantIn = (
  entry: BookEntry,
  plant: Plant,
): { readonly ours: readonly BookEntry[]; readonly theirs: readonly BillEntry[] } => {
  const line = lineOf(entry);
  switch (plant) {
    case 'none':
      return { ours: [entry], theirs: [line] };
    case 'leave_out':
      return { ours: [entry], theirs: [] };
    case 'other_amount':
      return { ours: [entry], theirs: [{ ...line, amount: line.amount + 1n }] };
    case 'other_state':
      return { ours: [entry], theirs: [{ ...line, state: 'processing' }] };
    case 'other_fee':
      return { ours: [entry], theirs: [{ ...line, fee: line.fee + 1n }] };
    case 'twice':
      return { ours: [entry], theirs: [line, { ...line, repeated: true }] };
    case 'unknown':
      return { ours: [], theirs: [line] };
    case 'not_settled':
      return { ours: [{ ...entry, state: 'open' }], theirs: [line] };
    case 'neighbour':
      return { ours: [{ ...entry, atMs: DAY_MS + 5 }], theirs: [line] };
  }
};

test('every planted discrepancy is found and classed, and nothing else, in whichever order the sides were written', async () => {
  const planted = fc.uniqueArray(
    fc.record({
      no: fc.integer({ min: 1, max: 500 }),
      refund: fc.boolean(),
      fen: fc.integer({ min: 1, max: 1_000_000 }),
      plant: fc.constantFrom(...PLANTS),
    }),
    { selector: ({ no, refund }) => `${no} ${refund}`, maxLength: 200 },
  );
  await fc.assert(
    fc.asyncProperty(planted, async (rows) => {
      const made = rows.map(({ no, refund, fen, plant }) => {
        const entry = book(`order${no}`, {
          kind: refund ? 'refund' : 'payment',
          refundNo: refund ? `refund${no}` : '',
          amount: BigInt(fen),
        });
        return { key: keyOf(entry), plant, ...plantIn(entry, plant) };
      });
      const ours = made.flatMap((one) => one.ours);
      const theirs = made.flatMap((one) => one.theirs);
      const { found, sums } = await match(ours, theirs);
      const told = new Map<string, string[]>();
      for (const one of found) {
        const side = one.ours ?? one.theirs;
        if (side !== undefined) told.set(keyOf(side), [...(told.get(keyOf(side)) ?? []), one.class]);
      }
      for (const { key, plant } of made) expect([key, told.get(key) ?? []]).toEqual([key, EXPECTED[plant]]);
      expect(sums).toMatchObject({ ours: ours.length, theirs: theirs.length });
      expect(Object.values(sums.byClass).reduce((all, count) => all + count, 0)).toBe(found.length);
    }),
    { numRuns: 200 },
  );
});

test('a million of each are matched while only one of each is held', async () => {
  const count = 1_000_000;
  let [ahead, aheadMost] = [0, 0];
  const noOf = (at: number) => `order${String(at).padStart(9, '0')}`;
  const ours = function* () {
    for (let at = 0; at < count; at += 1) {
      ahead += 1;
      aheadMost = Math.max(aheadMost, Math.abs(ahead));
      yield book(noOf(at));
    }
  };
  const theirs = function* () {
    for (let at = 0; at < count; at += 1) {
      ahead -= 1;
      aheadMost = Math.max(aheadMost, Math.abs(ahead));
      yield lineOf(book(noOf(at)), at % 100_000 === 7 ? { amount: 1n } : {});
    }
  };
  const steps = matchBooks(ours(), theirs(), RULES);
  let found = 0;
  let sums: Matched | undefined;
  while (sums === undefined) {
    const step = await steps.next();
    if (step.done === true) sums = step.value;
    else found += 1;
  }
  expect(sums).toMatchObject({ equal: count - 10, ours: count, theirs: count });
  expect([found, sums.byClass.amount]).toEqual([10, 10]);
  expect(aheadMost).toBeLessThanOrEqual(2);
}, 60_000);
