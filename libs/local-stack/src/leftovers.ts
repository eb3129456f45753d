import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@tillmesh/clock';
import { readPidFile, removePidFile } from './pid-file.ts';
import { processIdentity } from './process-identity.ts';
import { signalGroup } from './running-child.ts';
import { pollUntil } from './waiting.ts';

export const PID_FILE_ENDING = '.pid';

// Longer than a database needs to write its last pages; after that its crash recovery does the rest.
const GRACE_MS = 3_000;
// A process dies of SIGKILL as soon as it leaves the kernel; only a disk that hangs takes longer.
const KILL_MS = 5_000;
const POLL_MS = 20;

/** Ends a process that is not our own child: SIGTERM, and SIGKILL after three seconds. Resolves when it is gone. */
export const endProcess = async (clock: Clock, pid: number): Promise<void> => {
  const identity = processIdentity(pid);
  const gone = (withinMs: number) =>
    pollUntil({
      clock,
      everyMs: POLL_MS,
      withinMs,
      probe: () => (processIdentity(pid) === identity ? undefined : 'gone'),
    });
  if (identity === undefined) return;
  signalGroup(pid, 'SIGTERM');
  // A process that was stopped by SIGSTOP does not hear SIGTERM before it is let go on.
  signalGroup(pid, 'SIGCONT');
  if ((await gone(GRACE_MS)) === 'gone') return;
  signalGroup(pid, 'SIGKILL');
  if ((await gone(KILL_MS)) === 'late') throw new Error(`process ${pid} does not end, not even by SIGKILL`);
};

/**
 * Ends the children of a supervisor that died without ending them itself.
 *
 * @param folder the supervisor's log folder, where its pid files lie.
 * @returns the names of the children that still lived. Processes that merely have a number once used by a child are
 *   left in peace.
 */
export const stopLeftovers = async (folder: string, clock: Clock): Promise<readonly string[]> => {
  if (!existsSync(folder)) return [];
  const paths = readdirSync(folder)
    .filter((file) => file.endsWith(PID_FILE_ENDING))
    .map((file) => join(folder, file));
  const stopped = await Promise.all(
    paths.map(async (path) => {
      const known = readPidFile(path);
      if (known !== undefined) await endProcess(clock, known.pid);
      removePidFile(path);
      return known?.name;
    }),
  );
  return stopped.filter((name) => name !== undefined);
};
