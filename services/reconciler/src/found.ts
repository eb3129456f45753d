import {
  type BillEntry,
  type BookEntry,
  type Discrepancy,
  type MatchRules,
  matchBooks,
} from '@tillmesh/reconciliation';

/** A discrepancy with what became of it. */
export type Found = Discrepancy & {
  /** In one line: what was done about it; empty where nothing was. */
  readonly note: string;
  /** False once nothing is left to do. */
  readonly isOpen: boolean;
};

/** A discrepancy of whose end nothing is known yet. What both sides have on two days is right already. */
export const newlyFound = (discrepancy: Discrepancy): Found =>
  discrepancy.class === 'cross_day' && discrepancy.theirs !== undefined
    ? { ...discrepancy, note: 'both sides have it, on two days', isOpen: false }
    : { ...discrepancy, note: '', isOpen: true };

/** What differs between one entry and one line. */
export const compareOne = async (
  ours: BookEntry,
  theirs: BillEntry,
  rules: MatchRules,
): Promise<readonly Discrepancy[]> => {
  const found: Discrepancy[] = [];
  for await (const one of matchBooks([ours], [theirs], rules)) found.push(one);
  return found;
};

/**
 * Payments that were taken and given back before anybody called them paid: the bill has the money both ways, our books have a failed payment. A refund without a
 * number is such a reversal.
 *
 * @returns the discrepancies without those, and how many lines on the bill that were.
 */
export const withoutReversals = (
  found: readonly Found[],
): { readonly rest: readonly Found[]; readonly lines: number } => {
  const reversals = new Map(
    found
      .filter((one) => one.class === 'unknown_order' && one.theirs?.kind === 'refund' && one.theirs.refundNo === '')
      .map((one) => [one.theirs?.channelOrderNo ?? '', one] as const),
  );
  const gone = new Set<Found>();
  for (const one of found) {
    const reversal = one.theirs === undefined ? undefined : reversals.get(one.theirs.channelOrderNo);
    if (one.class !== 'short' || one.theirs?.kind !== 'payment' || reversal?.theirs === undefined) continue;
    const isWhole = reversal.theirs.amount === one.theirs.amount && reversal.theirs.currency === one.theirs.currency;
    // Of an open one the payment stays to be asked for; both lines say that no money is left.
    if (!isWhole || gone.has(reversal)) continue;
    gone.add(reversal);
    if (one.ours?.state === 'failed') gone.add(one);
  }
  return { rest: found.filter((one) => !gone.has(one)), lines: gone.size };
};
