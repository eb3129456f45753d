import { DATABASE } from './accounts.ts';
import { run } from './administrator.ts';
import { attached, startReplica } from './following.ts';
import { type GroupContext, primaryOf } from './group-context.ts';
import type { MariadbProcess } from './mariadb-node.ts';
import { makeDatabase } from './opening-primary.ts';
import { ceaseToBeReplica } from './primary-change.ts';
import { rejoin } from './rejoin.ts';
import { ATTACH_MS_MAX, openPrimary, readReplicaState } from './replication.ts';

/** Starts the primary's server; it is read-only until `openGroup`. */
export const startPrimary = async (group: GroupContext, signal?: AbortSignal): Promise<void> => {
  const primary = primaryOf(group);
  await primary.start(signal);
  group.primaryWaits = true;
  await primary.ask(async (connection) => {
    // It became the primary, and everything stopped before it had ceased to be a replica.
    if ((await readReplicaState(connection)) !== undefined) await ceaseToBeReplica(connection);
  });
};

/** Waits for a replica, then lets the primary take writes. */
export const openGroup = async (group: GroupContext, signal?: AbortSignal): Promise<void> => {
  const primary = primaryOf(group);
  await primary.ask(async (connection) => {
    await openPrimary(group.clock, primary.name, connection, signal);
    await makeDatabase(connection);
  }, ATTACH_MS_MAX);
  group.primaryWaits = false;
};

/**
 * Gets the writes answered that wait in a primary for an acknowledgement although a replica has them: the copy of the
 * primary's own data does not receive them again, so it never acknowledges them. The next transaction's acknowledgement
 * stands for them too. This one changes nothing.
 */
export const acknowledgeWaiting = (group: GroupContext): Promise<void> =>
  primaryOf(group).ask((connection) => run(connection, `CREATE DATABASE IF NOT EXISTS ${DATABASE}`));

/** Starts a node in place, in the role that it has now; one that is left out and runs is tried again as it is. */
export const startAgain = async (group: GroupContext, node: MariadbProcess): Promise<void> => {
  const primary = primaryOf(group);
  if (node === primary) {
    await startPrimary(group, group.closing);
    await openGroup(group, group.closing);
    return;
  }
  if (group.roles.exclusionOf(node.name) !== undefined) await rejoin(group, node);
  else {
    await startReplica(group, node, group.closing);
    if (primary.pid() === undefined) return;
    await attached(group, node, group.closing);
  }
  if (group.primaryWaits) await openGroup(group, group.closing);
};
