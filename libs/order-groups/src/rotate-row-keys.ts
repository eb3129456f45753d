import type { Clock } from '@tillmesh/clock';
import { withoutSpans } from '@tillmesh/telemetry';
import { big, optionalWhole } from './columns.ts';
import { type Account, bigintParameter, type Connection, type Deadline } from './connection.ts';
import type { GroupDescription } from './group-map.ts';
import { createRowCodec } from './payment-rows.ts';
import { connectToPrimary } from './primary-connection.ts';
import { type RotatedTable, rotatedTables } from './rotation-tables.ts';
import type { RowKeys } from './row-keys.ts';
import { RowTampered } from './row-seal.ts';
import { transaction } from './transaction.ts';

/** What became of a group's rows. */
export type RotationReport = {
  readonly tag: number;
  /** Rows that were looked at in the last pass. */
  readonly rows: number;
  /** Rows that were written with the present key. */
  readonly rewritten: number;
  /** Rows that do not fit the key they name, as `table number`; left as they are, for a person. The first 100. */
  readonly tampered: readonly string[];
  /** How many rows still name each older key. Empty: no row of the group needs one any more. */
  readonly olderKeys: ReadonlyMap<number, number>;
};

/** How far a rotation is: rows looked at and rewritten in a table, so far. */
export type RotationProgress = {
  readonly tag: number;
  readonly table: string;
  readonly rows: number;
  readonly rewritten: number;
};

const SCANNED_AT_ONCE = 500;
/** Rows of one commit: long enough to be worth its acknowledgement, short enough that nobody waits for their locks. */
const REWRITTEN_AT_ONCE = 20;
/** Instances that have not heard of the new key write with the old one for some seconds; a further pass finds their rows. */
const PASSES_MAX = 3;
const STATEMENT_MS_MAX = 5_000;
const TAMPERED_LISTED_MAX = 100;

type Found = { readonly k: bigint; readonly ids: readonly number[] };

/**
 * Writes every row of a group with the present key. What is done shows in the rows themselves: after a crash it is simply run again, and
 * any number of them at once do no harm.
 *
 * @param rowsPerSecondMax rows that are rewritten in a second at most, so that orders do not wait for it.
 * @throws {DatabaseError} where the primary is away; run it again.
 */
export const rotateRowKeys = async (options: {
  readonly group: GroupDescription;
  readonly account: Account;
  readonly keys: RowKeys;
  readonly rowsPerSecondMax: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RotationProgress) => void;
}): Promise<RotationReport> => {
  const { group, account, keys, rowsPerSecondMax, clock, signal, onProgress = () => undefined } = options;
  const within = (): Deadline => ({ atMs: clock.monotonicMs() + STATEMENT_MS_MAX });
  const connection = await connectToPrimary(group.endpoints, account, clock, within());
  const tables = rotatedTables(createRowCodec(keys));
  const tampered = new Set<string>();
  let rewritten = 0;

  const rewriteSome = async (table: RotatedTable, found: readonly Found[]): Promise<void> => {
    signal?.throwIfAborted();
    const beganMs = clock.monotonicMs();
    const deadline = within();
    await transaction(connection, deadline, async () => {
      for (const { k } of found) {
        try {
          await table.rewrite(connection, k, deadline);
          rewritten += 1;
        } catch (error) {
          if (!(error instanceof RowTampered)) throw error;
          if (tampered.size < TAMPERED_LISTED_MAX) tampered.add(`${table.name} ${k}: ${error.message}`);
        }
      }
      return { commit: true, value: undefined };
    });
    const owedMs = (found.length / rowsPerSecondMax) * 1_000 - (clock.monotonicMs() - beganMs);
    if (owedMs > 0) await clock.sleep(owedMs, signal);
  };

  /** One look at every row of a table. */
  const pass = async (table: RotatedTable, isLast: boolean, olderKeys: Map<number, number>): Promise<number> => {
    let rows = 0;
    for await (const found of scan(connection, table, within)) {
      rows += found.length;
      const older = found
        .map(({ k, ids }) => ({ k, ids: ids.filter((id) => id !== keys.current.id) }))
        .filter(({ ids }) => ids.length > 0);
      if (isLast) for (const id of older.flatMap(({ ids }) => [...new Set(ids)])) add(olderKeys, id);
      else
        for (let at = 0; at < older.length; at += REWRITTEN_AT_ONCE)
          await rewriteSome(table, older.slice(at, at + REWRITTEN_AT_ONCE));
      onProgress({ tag: group.tag, table: table.name, rows, rewritten });
    }
    return rows;
  };

  const rotate = async (): Promise<RotationReport> => {
    for (let passes = 0; passes < PASSES_MAX; passes += 1) {
      const before = rewritten;
      for (const table of tables) await pass(table, false, new Map());
      if (rewritten === before) break;
    }
    const olderKeys = new Map<number, number>();
    let rows = 0;
    for (const table of tables) rows += await pass(table, true, olderKeys);
    return { tag: group.tag, rows, rewritten, tampered: [...tampered], olderKeys };
  };

  try {
    return await withoutSpans(rotate);
  } finally {
    connection.cut();
  }
};

const add = (counts: Map<number, number>, id: number): void => {
  counts.set(id, (counts.get(id) ?? 0) + 1);
};

const ID_COLUMNS = ['id0', 'id1', 'id2'] as const;

const scan = async function* (
  connection: Connection,
  table: RotatedTable,
  within: () => Deadline,
): AsyncGenerator<readonly Found[]> {
  let after = 0n;
  for (;;) {
    const { rows } = await connection.run(table.scan, [bigintParameter(after), SCANNED_AT_ONCE], within());
    // An empty column (of a stub) and NULL name no key.
    const found = rows.map((row) => ({
      k: big(row, 'k'),
      ids: ID_COLUMNS.map((column) => optionalWhole(row, column) ?? 0).filter((id) => id !== 0),
    }));
    if (found.length > 0) yield found;
    after = found.at(-1)?.k ?? after;
    if (found.length < SCANNED_AT_ONCE) return;
  }
};
