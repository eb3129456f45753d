import { run } from './administrator.ts';
import type { GroupContext } from './group-context.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { MariadbProcess } from './mariadb-node.ts';
import { closeClients, takeReadOnly } from './primary-change.ts';

/**
 * How a primary was kept from taking writes. `down`: it does not run. `silent`: it runs and does not answer, or is cut off. `holds_writes`:
 * it answers, but some of its clients wait for an acknowledgement, so that it cannot be made read-only; they wait until
 * it is ended. `read_only`: it answers and takes no more writes, and its clients were sent away.
 */
export type Fence = 'down' | 'silent' | 'holds_writes' | 'read_only';

// A frozen server costs a promotion this time; one that lives answers in milliseconds.
const PRIMARY_ANSWER_MS = 4_000;
const PROBE_MS = 1_000;

/**
 * Asks a primary to take no more writes, while its replicas still acknowledge what is under way. What it does afterwards,
 * or if it cannot be asked, matters to nobody once both replicas receive no more: it gets no acknowledgement.
 */
export const fencePrimary = async (group: GroupContext, primary: MariadbProcess): Promise<Fence> => {
  if (primary.pid() === undefined) return 'down';
  if (!group.isReachable(primary)) return 'silent';
  try {
    await primary.ask((connection) => run(connection, 'SELECT 1'), PROBE_MS);
    return await primary.ask(async (connection) => {
      if (!(await takeReadOnly(connection))) return 'holds_writes';
      await closeClients(group.clock, connection, group.accounts.public);
      return 'read_only';
    }, PRIMARY_ANSWER_MS);
  } catch (error) {
    if (error instanceof LocalStackError && error.problem === 'node_silent') return 'silent';
    throw error;
  }
};

/**
 * Lets a primary that was, or may have been, made read-only take writes again, when nobody else was put in its place. Not
 * one that was read-only before, because it has no replica yet.
 */
export const unfencePrimary = async (
  group: Pick<GroupContext, 'primaryWaits'>,
  primary: Pick<MariadbProcess, 'ask'>,
  fence: Fence,
): Promise<void> => {
  if (group.primaryWaits || fence === 'down' || fence === 'holds_writes') return;
  await primary.ask((connection) => run(connection, 'SET GLOBAL read_only = OFF'), PROBE_MS);
};
