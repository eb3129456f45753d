import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { z } from '@tillmesh/config';
import { processIdentity } from './process-identity.ts';

const PidFile = z.object({ pid: z.int().positive(), identity: z.string().min(1), name: z.string() });

/** A process that a pid file speaks of and that still lives. */
export type KnownProcess = { readonly pid: number; readonly name: string };

/** Notes a process that lives now, so that another parent can find it. */
export const writePidFile = (path: string, known: KnownProcess): void => {
  const identity = processIdentity(known.pid);
  // It has ended already: there is nothing to find.
  if (identity === undefined) return;
  writeFileSync(path, `${JSON.stringify({ ...known, identity })}\n`, { mode: 0o600 });
};

/**
 * The process a pid file speaks of, if it still lives. A number that belongs to another process by now, a file that
 * was cut by a crash and no file at all are the same answer: undefined.
 */
export const readPidFile = (path: string): KnownProcess | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
  const parsed = PidFile.safeParse(value);
  if (!parsed.success) return undefined;
  const { pid, identity, name } = parsed.data;
  return processIdentity(pid) === identity ? { pid, name } : undefined;
};

/** Removes a pid file; one that is not there is no error. */
export const removePidFile = (path: string): void => rmSync(path, { force: true });
