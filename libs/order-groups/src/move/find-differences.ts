import { fromOrderKey, type GroupTag, type OrderKey } from '@tillmesh/domain';
import { big } from '../columns.ts';
import type { Connection, Deadline, Row } from '../connection.ts';
import { readOrders } from './copy-orders.ts';
import { SELECT_HELD_NUMBERS_OF, withoutNumber } from './keep-numbers.ts';
import { type Difference, differencesOf, type OrderRange, readDigests } from './order-digests.ts';
import { ORDER_TABLES, type OrderColumns, type OrderTable } from './order-tables.ts';

/** The two ends of a move. */
export type Ends = { readonly source: Connection; readonly target: Connection };

/** What to compare. */
export type Comparison = {
  readonly columns: OrderColumns;
  readonly tags: readonly GroupTag[];
  readonly range: OrderRange;
};

/** Orders that are not the same at both ends, and those whose merchant's number leads nowhere at the target. */
export type Differences = { readonly orders: readonly Difference[]; readonly numberless: readonly bigint[] };

/** Compares orders row by row, every column that counts. */
export const findDifferences = async (
  { source, target }: Ends,
  comparison: Comparison,
  deadline: Deadline,
): Promise<Differences> => {
  const readHere = async () => {
    const digests = await readDigests(source, comparison, deadline);
    const { rows } = await source.run(SELECT_HELD_NUMBERS_OF(comparison.range), [], deadline);
    return { digests, holders: rows.map((row) => big(row, 'order_no')).filter((key) => digests.has(key)) };
  };
  const [here, there] = await Promise.all([readHere(), readDigests(target, comparison, deadline)]);
  return {
    orders: differencesOf(here.digests, there),
    numberless: await withoutNumber(target, here.holders, deadline),
  };
};

const sameValue = (a: unknown, b: unknown): boolean =>
  Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : String(a) === String(b);

const columnsThatDiffer = (columns: readonly string[], here: readonly Row[], there: readonly Row[]): string => {
  if (here.length !== there.length) return `${here.length} rows here and ${there.length} there`;
  const names = columns.filter(
    (column) =>
      column !== 'next_check_at' && here.some((row, place) => !sameValue(row[column], there[place]?.[column])),
  );
  return names.join(', ') || 'next_check_at';
};

const numberOf = (key: bigint): string => fromOrderKey(key as OrderKey);

/** Says in words where the two ends differ: numbers, tables and columns, no values. */
export const describeDifferences = async (
  { source, target }: Ends,
  columns: OrderColumns,
  { orders, numberless }: Differences,
  deadline: Deadline,
): Promise<string[]> => {
  const lines = numberless.map(
    (key) => `the merchant's number of order ${numberOf(key)} leads nowhere at the successor`,
  );
  for (const { key, tables } of orders.slice(0, 5)) {
    const range = { keys: [key] };
    const here = await readOrders(source, columns, range, deadline);
    const there = await readOrders(target, columns, range, deadline);
    const of = (table: OrderTable) =>
      `${table} (${columnsThatDiffer(columns[table], here.rows[table], there.rows[table])})`;
    lines.push(
      `order ${numberOf(key)} differs in ${ORDER_TABLES.filter((table) => tables.includes(table))
        .map(of)
        .join(', ')}`,
    );
  }
  return lines;
};
