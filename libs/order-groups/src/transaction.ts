import type { Connection, Deadline } from './connection.ts';
import { BEGIN, COMMIT, ROLLBACK } from './order-statements.ts';

/** What a transaction's work wants: to be kept or not, and its answer. */
export type TransactionEnd<T> = { readonly commit: boolean; readonly value: T };

/** Runs `work` in a transaction on a connection that is lent for it. A failure rolls back; where the end itself fails the connection is cut. */
export const transaction = async <T>(
  connection: Connection,
  deadline: Deadline,
  work: () => Promise<TransactionEnd<T>>,
): Promise<T> => {
  await connection.run(BEGIN, [], deadline);
  let end: TransactionEnd<T>;
  try {
    end = await work();
  } catch (error) {
    await connection.run(ROLLBACK, [], deadline).catch(() => connection.cut());
    throw error;
  }
  try {
    await connection.run(end.commit ? COMMIT : ROLLBACK, [], deadline);
  } catch (error) {
    // With no time left it was never sent. The next user of the connection would write into an open transaction, and be told OK.
    connection.cut();
    throw error;
  }
  return end.value;
};
