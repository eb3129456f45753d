import type { OrderKey } from '@tillmesh/domain';
import { text } from './columns.ts';
import { bigintParameter, type Connection, type Deadline, type Row, type Statement } from './connection.ts';
import { selectPayments } from './order-statements.ts';
import type { RowCodec } from './payment-rows.ts';
import { RowTampered } from './row-seal.ts';
import type { StoredPayment } from './stored-payment.ts';

/** So many payments are read by one call at most. */
export const PAYMENTS_READ_MAX = 512;

// A statement for each of few sizes: a server keeps each that is prepared.
const SIZES: readonly Statement[] = [1, 4, 16, 64, PAYMENTS_READ_MAX].map(selectPayments);
const COUNTS = [1, 4, 16, 64, PAYMENTS_READ_MAX];

/**
 * Reads payments with their attempts on a connection, by key; those that are not there are left out.
 *
 * @param onTampered gets what does not bear its seal, which is then left out; without it the whole reading is rejected.
 */
export const readPayments =
  (rows: RowCodec, keys: readonly OrderKey[], onTampered?: (error: RowTampered) => void) =>
  async (connection: Connection, deadline: Deadline): Promise<ReadonlyMap<bigint, StoredPayment>> => {
    if (keys.length === 0) return new Map();
    const size = COUNTS.findIndex((count) => count >= keys.length);
    const statement = SIZES[size];
    if (statement === undefined) throw new RangeError(`${keys.length} payments are more than ${PAYMENTS_READ_MAX}`);
    // Filled up with the last one again: it is found once all the same.
    const filled = Array.from(
      { length: COUNTS[size] ?? 0 },
      (_, place) => keys[Math.min(place, keys.length - 1)] ?? 0n,
    );
    const answer = await connection.run(statement, filled.map(bigintParameter), deadline);
    const byOrder = Map.groupBy(answer.rows, (row: Row) => text(row, 'order_no'));
    return new Map(
      [...byOrder].flatMap(([key, own]) => {
        try {
          const stored = rows.readPayment(own);
          return stored === undefined ? [] : [[BigInt(key), stored] as const];
        } catch (error) {
          if (onTampered === undefined || !(error instanceof RowTampered)) throw error;
          onTampered(error);
          return [];
        }
      }),
    );
  };
