import { assert } from '@tillmesh/domain';

/** What is compared: money of a payer, and money back. */
export type EntryKind = 'payment' | 'refund';

type Common = {
  readonly kind: EntryKind;
  /** The number of the payment that the channel knows. */
  readonly channelOrderNo: string;
  /** The refund's own number; empty for payments, and for payments that were reversed. */
  readonly refundNo: string;
  /** Minor units, above 0: the kind says where they went. */
  readonly amount: bigint;
  readonly currency: string;
};

/** A payment or a refund as our books have it. */
export type BookEntry = Common & {
  /** `settled`: the money moved. `open`: nobody knows yet. `failed`: it did not move. */
  readonly state: 'settled' | 'open' | 'failed';
  /** When the money moved, or when it was asked for; ms since 1970. */
  readonly atMs: number;
  /** What the channel should have taken, minor units; undefined where nobody knows. */
  readonly fee: bigint | undefined;
};

/** A line of a bill that is about a payment or a refund. */
export type BillEntry = Common & {
  readonly state: 'succeeded' | 'processing' | 'failed' | 'unknown';
  readonly atMs: number;
  /** What the channel took, minor units; below 0: gave back. */
  readonly fee: bigint;
  /** True for a copy of an earlier line, character for character. */
  readonly repeated: boolean;
  readonly lineNumber: number;
};

/**
 * What is wrong.
 * - `long`: our books have it settled on the bill's day, the bill does not have it.
 * - `short`: the bill has it, and our books say that nothing moved or that nobody knows.
 * - `unknown_order`: the bill has it, and our books have no such number.
 * - `amount`: another amount or currency.
 * - `state`: the money moved for us, and the bill says that it is on its way, failed, or a word that nobody knows.
 * - `fee`: the channel took another fee than it should have.
 * - `duplicate`: the bill has it once more.
 * - `cross_day`: the same on both sides, on two sides of a day's end.
 */
export type DiscrepancyClass =
  | 'long'
  | 'short'
  | 'unknown_order'
  | 'amount'
  | 'state'
  | 'fee'
  | 'duplicate'
  | 'cross_day';

/** One discrepancy, with what both sides say. */
export type Discrepancy = {
  readonly class: DiscrepancyClass;
  readonly ours: BookEntry | undefined;
  readonly theirs: BillEntry | undefined;
};

/** What two sides came to. */
export type Matched = {
  /** Entries that are the same on both sides. */
  readonly equal: number;
  readonly ours: number;
  readonly theirs: number;
  readonly byClass: Readonly<Record<DiscrepancyClass, number>>;
};

export type MatchRules = {
  /** The bill's day, ms since 1970: the first moment, and the first one after it. */
  readonly day: { readonly beginsMs: number; readonly endsMs: number };
  /**
   * Clocks of two sides differ, and a payment of midnight may stand in the next day's bill: what of ours lies so near to the day's bounds and is not in the
   * bill is `cross_day` rather than `long`, and the neighbouring bill has to have it.
   */
  readonly boundaryMs: number;
  /** A fee that differs by so much at most is the same: channels round each line in ways of their own. */
  readonly feeToleranceMinor: bigint;
};

const keyOf = ({ kind, channelOrderNo, refundNo }: Common): string => `${kind} ${channelOrderNo} ${refundNo}`;

const noneByClass = (): Record<DiscrepancyClass, number> => ({
  long: 0,
  short: 0,
  unknown_order: 0,
  amount: 0,
  state: 0,
  fee: 0,
  duplicate: 0,
  cross_day: 0,
});

/** Pulls one side of the merge, and sees to it that it comes in order. */
const ordered = <Entry extends Common>(entries: AsyncIterable<Entry> | Iterable<Entry>, side: string) => {
  const iterator = Symbol.asyncIterator in entries ? entries[Symbol.asyncIterator]() : entries[Symbol.iterator]();
  let lastKey: string | undefined;
  return async (): Promise<{ readonly key: string; readonly entry: Entry } | undefined> => {
    const step = await iterator.next();
    if (step.done === true) return undefined;
    const key = keyOf(step.value);
    assert(lastKey === undefined || lastKey <= key, `${side} is not in order: ${key} comes behind ${lastKey}`);
    lastKey = key;
    return { key, entry: step.value };
  };
};

const isWithin = (atMs: number, { beginsMs, endsMs }: MatchRules['day']): boolean => beginsMs <= atMs && atMs < endsMs;

/** Whether an entry may belong to a neighbouring day's bill. */
const isNearBounds = (atMs: number, { day, boundaryMs }: MatchRules): boolean =>
  Math.min(Math.abs(atMs - day.beginsMs), Math.abs(atMs - day.endsMs)) <= boundaryMs;

const feeDiffers = (ours: BookEntry, theirs: BillEntry, tolerance: bigint): boolean => {
  if (ours.fee === undefined) return false;
  const difference = ours.fee - theirs.fee;
  return (difference < 0n ? -difference : difference) > tolerance;
};

/** Everything that differs between two entries of the same number. */
const differencesOf = (ours: BookEntry, theirs: BillEntry, rules: MatchRules): readonly DiscrepancyClass[] => {
  if (ours.state !== 'settled') {
    // What the bill does not call done is no money that we lack.
    return theirs.state === 'succeeded' || theirs.state === 'unknown' ? ['short'] : [];
  }
  const classes: DiscrepancyClass[] = [];
  if (ours.amount !== theirs.amount || ours.currency !== theirs.currency) classes.push('amount');
  if (theirs.state !== 'succeeded') classes.push('state');
  if (feeDiffers(ours, theirs, rules.feeToleranceMinor)) classes.push('fee');
  if (!isWithin(ours.atMs, rules.day)) classes.push('cross_day');
  return classes;
};

/** What is missing on the bill, if it is: another day's bill has what did not move on this one. */
const missingOf = (ours: BookEntry, rules: MatchRules): DiscrepancyClass | undefined => {
  if (ours.state !== 'settled' || !isWithin(ours.atMs, rules.day)) return undefined;
  return isNearBounds(ours.atMs, rules) ? 'cross_day' : 'long';
};

/**
 * Compares our books with a bill, as a merge of two sorted streams: how much memory it takes does not depend on how many there are. Lines of a bill that are about neither a
 * payment nor a refund are left out by whoever makes the entries.
 *
 * @param ours sorted by `<kind> <channelOrderNo> <refundNo>`, code units ascending; each of them once. It has to hold everything that the bill may speak of: the day, and
 *   boundaryMs on both sides of it.
 * @param theirs sorted in the same way; a number may stand there more than once.
 * @returns the sums, when both sides are over; each discrepancy is yielded when it is known.
 * @throws AssertionError where a side is not in order, or our books have a number twice: nothing that was yielded counts then.
 */
export const matchBooks = async function* (
  ours: AsyncIterable<BookEntry> | Iterable<BookEntry>,
  theirs: AsyncIterable<BillEntry> | Iterable<BillEntry>,
  rules: MatchRules,
): AsyncGenerator<Discrepancy, Matched> {
  const nextOurs = ordered(ours, 'our side');
  const nextTheirs = ordered(theirs, 'the bill');
  const byClass = noneByClass();
  let [equal, ourCount, theirCount] = [0, 0, 0];
  const tell = (discrepancyClass: DiscrepancyClass, our?: BookEntry, their?: BillEntry): Discrepancy => {
    byClass[discrepancyClass] += 1;
    return { class: discrepancyClass, ours: our, theirs: their };
  };

  let our = await nextOurs();
  let their = await nextTheirs();
  while (our !== undefined || their !== undefined) {
    if (their === undefined || (our !== undefined && our.key < their.key)) {
      assert(our !== undefined, 'one side at least has an entry');
      ourCount += 1;
      const missing = missingOf(our.entry, rules);
      if (missing !== undefined) yield tell(missing, our.entry);
      const { key } = our;
      our = await nextOurs();
      assert(our?.key !== key, `our books have ${key} twice`);
      continue;
    }
    const { key } = their;
    const known = our?.key === key ? our.entry : undefined;
    theirCount += 1;
    if (known === undefined) {
      yield tell('unknown_order', undefined, their.entry);
    } else {
      ourCount += 1;
      const classes = differencesOf(known, their.entry, rules);
      for (const one of classes) yield tell(one, known, their.entry);
      if (classes.length === 0) equal += 1;
      our = await nextOurs();
      assert(our?.key !== key, `our books have ${key} twice`);
    }
    // Whatever else the bill has under this number has moved money a second time, or says so.
    for (their = await nextTheirs(); their?.key === key; their = await nextTheirs()) {
      theirCount += 1;
      yield tell('duplicate', known, their.entry);
    }
  }
  return { equal, ours: ourCount, theirs: theirCount, byClass };
};
