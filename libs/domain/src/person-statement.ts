import type { AttemptNo, ChannelTransactionId } from './ids.ts';
import type { OrderNo } from './order-number.ts';

/** What a statement speaks of: an attempt of a payment, or one of its refunds. */
export type StatedItem =
  | { readonly kind: 'attempt'; readonly orderNo: OrderNo; readonly attemptNo: AttemptNo }
  | { readonly kind: 'refund'; readonly orderNo: OrderNo; readonly refundNo: OrderNo };

export const STATED_OUTCOMES = ['succeeded', 'failed_definite'] as const;
/** What a person may say of money: that it moved, or that it did not and never will. */
export type StatedOutcome = (typeof STATED_OUTCOMES)[number];

/** What a person found out, outside the mesh. */
export type PersonStatement = {
  /** Who says so, as the person is known to the operators. */
  readonly person: string;
  readonly outcome: StatedOutcome;
  /** The channel's number of the transaction or the refund; empty where the outcome is that no money moved. */
  readonly channelTransactionId: ChannelTransactionId | '';
  /** When the money moved, ms since 1970; undefined where it did not. */
  readonly happenedAtMs: number | undefined;
};

/** How far persons agree on one item. */
export type Agreement =
  | { readonly kind: 'agreed'; readonly statement: PersonStatement; readonly persons: readonly string[] }
  | { readonly kind: 'awaits_second' }
  /** Their latest words differ: nothing is settled before one of them takes theirs back by another statement. */
  | { readonly kind: 'contradicted'; readonly persons: readonly string[] };

/** One person is one person however the name is typed. */
export const samePerson = (name: string): string => name.normalize('NFKC').trim().replace(/\s+/g, ' ').toLowerCase();

const sameWords = (a: PersonStatement, b: PersonStatement): boolean =>
  a.outcome === b.outcome && a.channelTransactionId === b.channelTransactionId && a.happenedAtMs === b.happenedAtMs;

/**
 * The two-person rule: money is settled by hand only where two different persons say the same, and nobody says otherwise. Each person's
 * latest statement counts.
 *
 * @param statements of one item, in the order in which they were made.
 */
export const agreementOf = (statements: readonly PersonStatement[]): Agreement => {
  const latest = new Map(statements.map((statement) => [samePerson(statement.person), statement]));
  const [first, ...others] = latest.values();
  if (first === undefined || others.length === 0) return { kind: 'awaits_second' };
  const persons = [...latest.values()].map(({ person }) => person);
  return others.every((other) => sameWords(first, other))
    ? { kind: 'agreed', statement: first, persons }
    : { kind: 'contradicted', persons };
};
