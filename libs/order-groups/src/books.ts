import type { Clock } from '@tillmesh/clock';
import { type GroupTag, groupTagOf, type OrderKey, toOrderKey } from '@tillmesh/domain';
import { big } from './columns.ts';
import { bigintParameter, type Connection, type Deadline, type Row } from './connection.ts';
import type { GroupClients } from './group-clients.ts';
import { SELECT_KEYS_BETWEEN } from './list-statements.ts';
import type { RowCodec } from './payment-rows.ts';
import { PAYMENTS_READ_MAX, readPayments } from './read-payments.ts';
import { SELECT_REFUNDS_BETWEEN } from './refund-statements.ts';
import { RowTampered } from './row-seal.ts';
import type { StoredPayment, StoredRefund } from './stored-payment.ts';

/** A refund with its payment, whose attempt says which account gives the money back. */
export type BookedRefund = { readonly stored: StoredRefund; readonly of: StoredPayment };

/** A run of a group's books in the order of their keys. */
export type BookRun<Item> = {
  readonly items: readonly Item[];
  /** The last key that was looked at; undefined where there was none. */
  readonly lastKey: bigint | undefined;
  /** Nothing is behind it. */
  readonly isEnd: boolean;
  /** Rows that do not bear their seal: told in the log, counted here, and among no items. */
  readonly tampered: number;
};

/** Keys from behind `after` to before `before`; see firstOrderKeyAt. */
export type BookRange = { readonly after: bigint; readonly before: bigint };

/**
 * What was taken and given back in a time, whatever merchant it was for: for whoever compares the books with others'. Read at primaries alone:
 * they have everything that is acknowledged.
 */
export type Books = {
  /** The groups that are not retired. */
  tags(): readonly GroupTag[];
  /** @throws {DatabaseError} where the group's primary does not answer. */
  payments(tag: GroupTag, range: BookRange): Promise<BookRun<StoredPayment>>;
  /** By the refund's own number, that is by when it was asked for. @throws {DatabaseError} */
  refunds(tag: GroupTag, range: BookRange): Promise<BookRun<BookedRefund>>;
};

/** Payments or refunds that one call answers at most. */
export const BOOKS_READ_MAX = 256;

/** Creates the reader over the groups. */
export const createBooks = (options: {
  readonly groups: GroupClients;
  readonly rows: RowCodec;
  readonly statementMsMax: number;
  readonly clock: Clock;
  readonly onTampered: (error: RowTampered) => void;
}): Books => {
  const { groups, rows, statementMsMax, clock, onTampered } = options;

  /** What another group's orders have sent ahead here is that group's, until they have moved. */
  const isHeldBy = (tag: GroupTag, { payment }: StoredPayment): boolean =>
    groups.find(groupTagOf(payment.orderNo))?.tag === groups.find(tag)?.tag;

  const parametersOf = ({ after, before }: BookRange) => [after, before, BigInt(BOOKS_READ_MAX)].map(bigintParameter);

  const atPrimary = async <Item>(
    tag: GroupTag,
    read: (
      connection: Connection,
      deadline: Deadline,
      seen: (error: RowTampered) => void,
    ) => Promise<Omit<BookRun<Item>, 'tampered'>>,
  ): Promise<BookRun<Item>> => {
    const deadline = { atMs: clock.monotonicMs() + statementMsMax };
    let tampered = 0;
    const seen = (error: RowTampered): void => {
      tampered += 1;
      onTampered(error);
    };
    // `write` is the way to the primary and nowhere else.
    const run = await groups.of(tag).write(deadline, (connection) => read(connection, deadline, seen));
    return { ...run, tampered };
  };

  const readRefund = (row: Row, seen: (error: RowTampered) => void): StoredRefund | undefined => {
    try {
      return rows.readRefund([row]);
    } catch (error) {
      if (!(error instanceof RowTampered)) throw error;
      seen(error);
      return undefined;
    }
  };

  return {
    tags: () => groups.all().map(({ tag }) => tag),
    payments: (tag, range) =>
      atPrimary(tag, async (connection, deadline, seen) => {
        const answer = await connection.run(SELECT_KEYS_BETWEEN, parametersOf(range), deadline);
        const keys = answer.rows.map((row) => big(row, 'order_no') as OrderKey);
        const found = await readPayments(rows, keys, seen)(connection, deadline);
        return {
          items: [...found.values()].filter((stored) => isHeldBy(tag, stored)),
          lastKey: keys.at(-1),
          isEnd: keys.length < BOOKS_READ_MAX,
        };
      }),
    refunds: (tag, range) =>
      atPrimary(tag, async (connection, deadline, seen) => {
        const answer = await connection.run(SELECT_REFUNDS_BETWEEN, parametersOf(range), deadline);
        const refunds = answer.rows.flatMap((row) => readRefund(row, seen) ?? []);
        const keys = [...new Set(refunds.map(({ refund }) => toOrderKey(refund.orderNo)))].slice(0, PAYMENTS_READ_MAX);
        const payments = await readPayments(rows, keys, seen)(connection, deadline);
        return {
          items: refunds.flatMap((stored) => {
            const of = payments.get(toOrderKey(stored.refund.orderNo));
            return of === undefined || !isHeldBy(tag, of) ? [] : [{ stored, of }];
          }),
          lastKey: answer.rows.length === 0 ? undefined : big(answer.rows.at(-1) ?? {}, 'refund_no'),
          isEnd: answer.rows.length < BOOKS_READ_MAX,
        };
      }),
  };
};
