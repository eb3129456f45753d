import type { GroupTag } from '@tillmesh/domain';
import { big, text, whole } from '../columns.ts';
import type { Connection, Deadline, Statement } from '../connection.ts';
import { ORDER_TABLES, type OrderColumns, type OrderTable, tagIn } from './order-tables.ts';

/** What a group holds of an order: for each table the number of its rows and a sum over every column of them. */
export type OrderDigests = ReadonlyMap<bigint, ReadonlyMap<OrderTable, string>>;

/** Which orders: those between two keys, the first not included, or those of a list. */
export type OrderRange = { readonly after: bigint; readonly upTo: bigint } | { readonly keys: readonly bigint[] };

/** The condition that picks a range. Keys are digits of our own making; nothing from outside stands in the text. */
export const within = (range: OrderRange): string =>
  'keys' in range
    ? `order_no IN (${range.keys.length === 0 ? 'NULL' : range.keys.join(', ')})`
    : `order_no > ${range.after} AND order_no <= ${range.upTo}`;

// When the syncer looks next is pushed on by whoever asks the successor for due work, also before the switch.
const valueOf = (column: string): string =>
  column === 'next_check_at' ? `IF(\`${column}\` IS NULL, '-', '+')` : `IFNULL(HEX(\`${column}\`), '-')`;

const digestsOf = (
  table: OrderTable,
  columns: readonly string[],
  tags: readonly GroupTag[],
  range: OrderRange,
): Statement => ({
  summary: `SELECT ${table} digests`,
  // 60 bits of each row's SHA-256 (MySQL 9 has no MD5), added up: two equal rows do not cancel each other.
  sql: `SELECT order_no, COUNT(*) AS row_count,
          CAST(SUM(CAST(CONV(LEFT(SHA2(CONCAT_WS(',', ${columns.map(valueOf).join(', ')}), 256), 15), 16, 10) AS UNSIGNED)) AS CHAR) AS digest
        FROM ${table} WHERE ${within(range)} AND ${tagIn(tags)} GROUP BY order_no`,
  text: true,
});

/** Reads what a group holds of these orders. */
export const readDigests = async (
  connection: Connection,
  {
    columns,
    tags,
    range,
  }: {
    readonly columns: OrderColumns;
    readonly tags: readonly GroupTag[];
    readonly range: OrderRange;
  },
  deadline: Deadline,
): Promise<OrderDigests> => {
  const found = new Map<bigint, Map<OrderTable, string>>();
  for (const table of ORDER_TABLES) {
    const { rows } = await connection.run(digestsOf(table, columns[table], tags, range), [], deadline);
    for (const row of rows) {
      const key = big(row, 'order_no');
      const digests = found.get(key) ?? new Map<OrderTable, string>();
      digests.set(table, `${whole(row, 'row_count')} ${text(row, 'digest')}`);
      found.set(key, digests);
    }
  }
  return found;
};

/** An order of which the two groups do not hold the same. */
export type Difference = { readonly key: bigint; readonly tables: readonly OrderTable[] };

/** Where source and target differ. */
export const differencesOf = (source: OrderDigests, target: OrderDigests): Difference[] => {
  const keys = new Set([...source.keys(), ...target.keys()]);
  return [...keys].flatMap((key) => {
    const here = source.get(key);
    const there = target.get(key);
    const tables = ORDER_TABLES.filter((table) => here?.get(table) !== there?.get(table));
    return tables.length === 0 ? [] : [{ key, tables }];
  });
};
