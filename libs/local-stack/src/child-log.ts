import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { copyFile, stat, truncate } from 'node:fs/promises';

/** A log grows to about this size, and one older log of the same size is kept beside it as `<name>.log.1`. */
export const LOG_BYTES_MAX = 10 * 1024 * 1024;

/** How long a log is now; 0 when there is none. */
export const sizeOfLog = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/**
 * The last lines of a log file, at most `bytesMax` bytes; empty when there is no such file.
 *
 * @param from leaves out what stands before this size, which an earlier run has written.
 */
export const tailOfLog = (path: string, from = 0, bytesMax = 4_096): string => {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const size = fstatSync(file).size;
    // A log that has become shorter was started anew meanwhile.
    const begin = from <= size ? from : 0;
    const bytes = Buffer.alloc(Math.min(size - begin, bytesMax));
    const read = readSync(file, bytes, 0, bytes.length, size - bytes.length);
    const text = bytes.subarray(0, read).toString('utf8');
    // The first line is cut somewhere when there was more than what was read.
    return (size - begin > bytesMax ? text.slice(text.indexOf('\n') + 1) : text).trimEnd();
  } finally {
    closeSync(file);
  }
};

/**
 * Starts a log anew when it is larger than `bytesMax`. The child writes to the file itself and keeps it open, so the
 * content is copied and the file cut; lines written between the two are lost. (A pipe through the parent would lose
 * none, but would die with the parent and take time on its event loop.)
 */
export const rotateLog = async (path: string, bytesMax: number = LOG_BYTES_MAX): Promise<boolean> => {
  const size = await stat(path).then(
    (stats) => stats.size,
    () => 0,
  );
  if (size <= bytesMax) return false;
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
  return true;
};
