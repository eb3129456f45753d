import type { Clock } from '@tillmesh/clock';
import { dayOfOrderNo, type OrderNo } from '@tillmesh/domain';
import type { Connection, Deadline, Parameter } from './connection.ts';
import { DatabaseError, OWN_CODES } from './database-error.ts';
import { createGathered } from './gathered.ts';
import type { GroupClient } from './group-client.ts';
import { BATCH_ROWS_MAX, insertPaymentsInto } from './order-statements.ts';
import { partitionOf } from './partitions.ts';

/** A new order and the values of its row. */
export type OrderRow = { readonly orderNo: OrderNo; readonly row: readonly Parameter[] };

/**
 * Writes new orders to a group. With batches, orders that meet while a statement is under way go into the next one together: all of
 * them or none; where one stands in the way (its number is taken) each is tried by itself.
 */
export type PaymentWriter = {
  /** Resolves when it is written and acknowledged. @throws {DatabaseError} TILLMESH_FENCED where the map is not the group's. */
  insert(order: OrderRow, deadline: Deadline): Promise<void>;
  /** The same on a connection that is lent, perhaps in a transaction. */
  insertOn(connection: Connection, orders: readonly OrderRow[], deadline: Deadline): Promise<void>;
};

type Asked = OrderRow & { readonly deadline: Deadline };
type Answer = { readonly error: unknown } | 'written';

/** Statements are prepared for these counts of rows alone. */
const SIZES = [1, 2, 4, 8, 16, BATCH_ROWS_MAX] as const;

/** One on its way while the next one gathers: more would make batches smaller, and a commit costs more than its rows. */
const BATCHES_CONCURRENT_MAX = 1;

const FENCED_CODE = 'ER_BAD_NULL_ERROR';

/** The only column that may come as NULL is the fence. */
const asFenced = (error: unknown): unknown =>
  error instanceof DatabaseError && error.code === FENCED_CODE
    ? new DatabaseError(OWN_CODES.fenced, 'not_written')
    : error;

/** Creates the writer of one group. */
export const createPaymentWriter = (options: {
  readonly client: GroupClient;
  readonly batchRowsMax: number;
  readonly clock: Clock;
}): PaymentWriter => {
  const { client, batchRowsMax } = options;
  /** Days whose partition the server does not know: it finds the place by itself then. */
  const unknownDays = new Set<number>();

  const partitionFor = (orders: readonly OrderRow[]): string | undefined => {
    const [first, ...others] = orders.map(({ orderNo }) => dayOfOrderNo(orderNo));
    if (first === undefined || unknownDays.has(first) || others.some((day) => day !== first)) return undefined;
    return partitionOf(first);
  };

  const run = (
    connection: Connection,
    orders: readonly OrderRow[],
    partition: string | undefined,
    deadline: Deadline,
  ) =>
    connection.run(
      insertPaymentsInto(orders.length, partition),
      orders.flatMap(({ row }) => row),
      deadline,
    );

  const insertOn: PaymentWriter['insertOn'] = async (connection, orders, deadline) => {
    const partition = partitionFor(orders);
    try {
      await run(connection, orders, partition, deadline);
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== 'ER_UNKNOWN_PARTITION') throw asFenced(error);
      for (const { orderNo } of orders) unknownDays.add(dayOfOrderNo(orderNo));
      await run(connection, orders, undefined, deadline).catch((again: unknown) => {
        throw asFenced(again);
      });
    }
  };

  const insertAll = (orders: readonly OrderRow[], deadline: Deadline): Promise<void> =>
    client.write(
      deadline,
      (connection) => insertOn(connection, orders, deadline),
      () => true,
    );

  const answerOf = async (asked: Asked): Promise<Answer> => {
    try {
      await insertAll([asked], asked.deadline);
      return 'written';
    } catch (error) {
      return { error };
    }
  };

  /** In pieces of the sizes that are prepared. */
  const insertBatch = async (batch: readonly Asked[]): Promise<readonly Answer[]> => {
    if (batch.length === 1) return Promise.all(batch.map(answerOf));
    const size = SIZES.findLast((candidate) => candidate <= batch.length) ?? 1;
    if (size < batch.length) {
      const [head, tail] = await Promise.all([insertBatch(batch.slice(0, size)), insertBatch(batch.slice(size))]);
      return [...head, ...tail];
    }
    // Whoever has the least time decides: its caller goes on elsewhere then, and so does everybody's.
    const deadline = { atMs: Math.min(...batch.map((asked) => asked.deadline.atMs)) };
    try {
      await insertAll(batch, deadline);
      return batch.map(() => 'written' as const);
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.duplicateKey === undefined) return batch.map(() => ({ error }));
      // One of them is a repeat, and nothing was written.
      return Promise.all(batch.map(answerOf));
    }
  };

  const batches = createGathered<Asked, Answer>({
    questionsMax: Math.min(batchRowsMax, BATCH_ROWS_MAX),
    concurrentMax: BATCHES_CONCURRENT_MAX,
    answer: insertBatch,
  });

  return {
    insertOn,
    insert: async (order, deadline) => {
      if (batchRowsMax === 1) {
        await insertAll([order], deadline);
        return;
      }
      const answer = await batches.ask({ ...order, deadline });
      if (answer !== 'written') throw answer.error;
    },
  };
};
