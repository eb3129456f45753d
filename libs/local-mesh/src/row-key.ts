import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { systemRandom } from '@tillmesh/clock';

const KEY_BYTES = 32;

/** Makes the key of rows (as hex) at the first start of a folder: without it the data of that folder cannot be read. */
export const openRowKey = (file: string): string => {
  if (existsSync(file)) return file;
  // Renamed into place, so that a crash leaves either no file or a whole one.
  writeFileSync(`${file}.new`, `${systemRandom.hex(KEY_BYTES)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return file;
};
