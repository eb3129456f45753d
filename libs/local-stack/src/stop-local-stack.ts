import type { Clock } from '@tillmesh/clock';
import { ownerOf } from './folder-owner.ts';
import { stopLeftovers } from './leftovers.ts';
import { processIdentity } from './process-identity.ts';
import { stackPaths } from './stack-folder.ts';
import { pollUntil } from './waiting.ts';

/** The process that runs a local stack on this data folder now; undefined when none does. */
export const ownerOfLocalStack = (folder: string): number | undefined => ownerOf(stackPaths(folder).ownerFile);

const POLL_MS = 50;

/**
 * Ends a local stack from outside: asks its process to stop (SIGTERM), after `graceMs` kills it, and then ends the
 * servers that are left.
 *
 * @returns whether there was anything to end.
 */
export const stopLocalStack = async (folder: string, clock: Clock, graceMs = 20_000): Promise<boolean> => {
  const owner = ownerOfLocalStack(folder);
  if (owner !== undefined) {
    const identity = processIdentity(owner);
    const probe = () => (processIdentity(owner) === identity ? undefined : 'gone');
    process.kill(owner, 'SIGTERM');
    const answer = await pollUntil({ clock, everyMs: POLL_MS, withinMs: graceMs, probe });
    if (answer === 'late') process.kill(owner, 'SIGKILL');
  }
  const leftovers = await stopLeftovers(stackPaths(folder).logs, clock);
  return owner !== undefined || leftovers.length > 0;
};
