import type { Clock } from '@tillmesh/clock';
import type { MerchantId, OrderKey, PaymentState } from '@tillmesh/domain';
import { fromOrderKey } from '@tillmesh/domain';
import {
  bigintParameter,
  type ColumnCipher,
  type Connection,
  type Deadline,
  type Parameter,
  type Statement,
} from '@tillmesh/order-groups';
import { CONTENT_COLUMN } from './content-column.ts';
import { applyPayments } from './store-statements.ts';

/** A payment as it goes into a list. */
export type ListEntry = {
  readonly merchantId: MerchantId;
  readonly key: OrderKey;
  readonly version: number;
  readonly state: PaymentState;
  /** What is shown, in whatever form the reader expects. */
  readonly content: Uint8Array;
  /** When the payment came to this version, ms since 1970. */
  readonly changedAtMs: number;
};

const SIZES = [64, 16, 4, 1];
const STATEMENTS: ReadonlyMap<number, Statement> = new Map(SIZES.map((size) => [size, applyPayments(size)]));

const valuesOf = (entry: ListEntry, cipher: ColumnCipher, nowMs: number): Parameter[] => [
  entry.merchantId,
  bigintParameter(entry.key),
  entry.version,
  entry.state,
  cipher.encrypt(CONTENT_COLUMN, fromOrderKey(entry.key), Buffer.from(entry.content).toString('base64')),
  entry.changedAtMs,
  nowMs,
];

/**
 * Writes entries on a connection. An entry that is not newer than what is there changes nothing, so entries may come twice and in any
 * order. Sorted by key: two writers of the same rows wait for each other instead of locking each other out.
 */
export const writeEntries = async (
  connection: Connection,
  entries: readonly ListEntry[],
  deadline: Deadline,
  { cipher, clock }: { readonly cipher: ColumnCipher; readonly clock: Clock },
): Promise<void> => {
  const sorted = entries.toSorted((a, b) =>
    a.merchantId < b.merchantId ? -1 : a.merchantId > b.merchantId ? 1 : a.key < b.key ? -1 : a.key > b.key ? 1 : 0,
  );
  let done = 0;
  while (done < sorted.length) {
    const size = SIZES.find((each) => each <= sorted.length - done) ?? 1;
    const statement = STATEMENTS.get(size) ?? applyPayments(size);
    const values = sorted.slice(done, done + size).flatMap((entry) => valuesOf(entry, cipher, clock.nowMs()));
    await connection.run(statement, values, deadline);
    done += size;
  }
};
