import { statSync } from 'node:fs';
import type { Log } from '@tillmesh/telemetry';
import type { RoutingSource } from './routing-source.ts';
import { readTableFile } from './table-file.ts';

/**
 * Takes a table file again whenever it has changed since it was looked at last.
 *
 * @returns what looks at it once; throws where the file is wrong or away, and the table stays as it was.
 */
export const createTableReloader = (path: string, source: RoutingSource, log: Log): (() => void) => {
  let changedAtMs = statSync(path).mtimeMs;
  return () => {
    const { mtimeMs } = statSync(path);
    if (mtimeMs === changedAtMs) return;
    // A wrong file is told once, not every second.
    changedAtMs = mtimeMs;
    source.replace(readTableFile(path));
    log.info({ version: String(source.table().version) }, 'routing table read again');
  };
};
