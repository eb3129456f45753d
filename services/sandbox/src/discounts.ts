import { createHash } from 'node:crypto';
import { addFen, type Fen, fen, subtractFen, ZERO_FEN } from './fen.ts';
import type { Act } from './script.ts';

/** What a payer did not have to pay, and who bears it. */
export type Discount = {
  /** 16 digits; the same for the same order, so that every source tells the same. */
  readonly id: string;
  readonly name: string;
  readonly amount: Fen;
  readonly by: 'channel' | 'merchant';
};

/** An order's money in parts. The ledger counts the whole: what the order is worth. */
export type Parts = {
  readonly discounts: readonly Discount[];
  /** What the payer paid. */
  readonly payerPaid: Fen;
  /** What the merchant is credited, before fees. */
  readonly settled: Fen;
};

const idOf = (orderKey: string, place: number): string =>
  BigInt(`0x${createHash('sha256').update(`${orderKey} ${place}`).digest('hex').slice(0, 13)}`)
    .toString()
    .padStart(16, '0');

const smaller = (a: Fen, b: Fen): Fen => (a < b ? a : b);

/** What the acts `discount` make of an order; together they are never more than its amount. */
export const partsOf = (orderKey: string, amount: Fen, acts: readonly Act[]): Parts => {
  const discounts: Discount[] = [];
  let [payerPaid, settled] = [amount, amount];
  for (const act of acts) {
    if (act.do !== 'discount') continue;
    const off = smaller(fen(act.fen), payerPaid);
    if (off === ZERO_FEN) continue;
    discounts.push({ id: idOf(orderKey, discounts.length), name: act.name, amount: off, by: act.by });
    payerPaid = subtractFen(payerPaid, off);
    if (act.by === 'merchant') settled = subtractFen(settled, off);
  }
  return { discounts, payerPaid, settled };
};

/** The sum of all discounts, or of those that one bears. */
export const sumOf = ({ discounts }: Parts, by?: Discount['by']): Fen =>
  discounts
    .filter((discount) => by === undefined || discount.by === by)
    .reduce((sum, { amount }) => addFen(sum, amount), ZERO_FEN);

/** Whether an order's answer and notification are to leave out what only a query tells (`terse`). */
export const isTerse = (acts: readonly Act[]): boolean => acts.some(({ do: name }) => name === 'terse');
