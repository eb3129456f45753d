import type { GroupTag } from '@tillmesh/domain';
import { big, whole } from '../columns.ts';
import { bigintParameter, type Connection, type Deadline, type Statement } from '../connection.ts';

/** How far the copying of a group has come. Written at the successor in the same commit as the rows it speaks of. */
export type MoveRecord = {
  /** Copies are as new as this id of the source's trajectory. */
  readonly watermark: bigint;
  /** Orders up to this key were copied; 0 before the first. */
  readonly lastKey: bigint;
  /** Orders. */
  readonly copied: number;
};

const SELECT_RECORD: Statement = {
  summary: 'SELECT group_move',
  sql: 'SELECT watermark, last_key, copied FROM group_move WHERE source_tag = ?',
};
const WRITE_RECORD: Statement = {
  summary: 'INSERT group_move',
  sql: `INSERT INTO group_move (source_tag, started_at, watermark, last_key, copied) VALUES (?, ?, ?, ?, ?)
        ON DUPLICATE KEY UPDATE watermark = VALUES(watermark), last_key = VALUES(last_key), copied = VALUES(copied)`,
};

/** What an earlier run has left; undefined where none has begun. */
export const readRecord = async (
  connection: Connection,
  source: GroupTag,
  deadline: Deadline,
): Promise<MoveRecord | undefined> => {
  const { rows } = await connection.run(SELECT_RECORD, [source], deadline);
  const [row] = rows;
  return row && { watermark: big(row, 'watermark'), lastKey: big(row, 'last_key'), copied: whole(row, 'copied') };
};

/** Writes it on a connection, perhaps in a transaction. */
export const writeRecord = async (
  connection: Connection,
  source: GroupTag,
  { watermark, lastKey, copied }: MoveRecord,
  { nowMs, deadline }: { readonly nowMs: number; readonly deadline: Deadline },
): Promise<void> => {
  const values = [source, nowMs, bigintParameter(watermark), bigintParameter(lastKey), copied];
  await connection.run(WRITE_RECORD, values, deadline);
};
