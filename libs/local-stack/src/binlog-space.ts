import type { Connection } from 'mysql2/promise';
import { rowsOf } from './administrator.ts';

/** What a node's binary logs may take after a start. A gigabyte is some millions of orders. */
const BINLOG_BYTES_MAX = 1024 ** 3;

/**
 * The file from which on logs are kept, so that all kept ones together are at most `bytesMax`; undefined when nothing
 * has to go. The newest file is always kept.
 *
 * @param files oldest first.
 */
export const firstKept = (
  files: readonly { readonly name: string; readonly bytes: number }[],
  bytesMax: number = BINLOG_BYTES_MAX,
): string | undefined => {
  let sum = 0;
  for (let index = files.length - 1; index >= 0; index--) {
    sum += files[index]?.bytes ?? 0;
    if (sum > bytesMax) return (files[index + 1] ?? files[index])?.name;
  }
  return undefined;
};

/**
 * Removes a node's oldest binary logs. To be called when all replicas are attached: the server keeps what an attached
 * replica still reads, but knows nothing of one that is away.
 */
export const removeOldBinlogs = async (connection: Connection): Promise<void> => {
  const rows = await rowsOf(connection, 'SHOW BINARY LOGS');
  const kept = firstKept(rows.map((row) => ({ name: String(row['Log_name']), bytes: Number(row['File_size']) })));
  if (kept !== undefined) await connection.query('PURGE BINARY LOGS TO ?', [kept]);
};
