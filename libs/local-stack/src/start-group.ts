import { removeOldBinlogs } from './binlog-space.ts';
import { EXECUTE_MS_MAX } from './execute-relay-log.ts';
import { attached, startReplica } from './following.ts';
import { excludedOf, followersOf, type GroupContext, primaryOf } from './group-context.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { MariadbProcess } from './mariadb-node.ts';
import { rejoin } from './rejoin.ts';
import { awaitCaughtUp, binlogPosition } from './replication.ts';
import { openGroup, startPrimary } from './start-node.ts';
import { allOrNone } from './waiting.ts';

/** A first start creates the schema: whoever reads from a replica right afterwards must find it there. */
const catchUp = (
  { clock, onProgress }: GroupContext,
  replica: MariadbProcess,
  position: string,
  signal: AbortSignal | undefined,
): Promise<void> =>
  replica.ask(
    (connection) => awaitCaughtUp(replica.name, connection, position, { clock, signal, onProgress }),
    EXECUTE_MS_MAX,
  );

const isBroken = (error: unknown): error is LocalStackError =>
  error instanceof LocalStackError && error.problem === 'replication_broken';

/**
 * Starts a follower; one whose replication is broken is told to `onFailure`. With the other one the group works, and only
 * while it does can this one be made anew.
 */
const startFollower = async (
  group: GroupContext,
  replica: MariadbProcess,
  onFailure: (node: MariadbProcess, error: LocalStackError) => void,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await startReplica(group, replica, signal);
  } catch (error) {
    if (!isBroken(error) || signal.aborted) throw error;
    onFailure(replica, error);
  }
};

/** Brings back who is left out, as far as that is possible; the group works without them. */
const rejoinExcluded = async (group: GroupContext): Promise<void> => {
  for (const node of excludedOf(group)) {
    await rejoin(group, node).catch((error: unknown) => {
      if (!(error instanceof LocalStackError)) throw error;
      group.onProgress(`group ${group.tag} goes on without ${node.name}: ${error.message}`);
    });
  }
};

/**
 * Starts all nodes of a group and opens its primary. The replication of one node may be broken: the group works with the
 * other. Nodes that are left out come back if they can. Without any replica that could follow the primary stays read-only, and the caller can
 * make one anew.
 *
 * @param gate bounds how many servers start at the same moment.
 * @returns how many replicas acknowledge; with none the primary is read-only.
 * @throws {LocalStackError} when a server does not start, or the replication of every node is broken.
 */
export const startGroup = async (
  group: GroupContext,
  gate: <T>(work: () => Promise<T>) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<number> => {
  const failures = new Map<MariadbProcess, LocalStackError>();
  const onFailure = (node: MariadbProcess, error: LocalStackError) => {
    failures.set(node, error);
    group.onProgress(`group ${group.tag} goes on without ${node.name}: ${error.message}`);
  };
  const followers = followersOf(group);
  const starts = followers.map(
    (node) => (inner: AbortSignal) => gate(() => startFollower(group, node, onFailure, inner)),
  );
  await allOrNone([(inner) => gate(() => startPrimary(group, inner)), ...starts], signal);
  /** The same of every node that works so far; one that turns out to be broken is left behind. */
  const ofEach = async (
    nodes: readonly MariadbProcess[],
    work: (node: MariadbProcess) => Promise<void>,
  ): Promise<MariadbProcess[]> => {
    await Promise.all(
      nodes.map((node) =>
        work(node).catch((error: unknown) => {
          if (!isBroken(error)) throw error;
          onFailure(node, error);
        }),
      ),
    );
    return nodes.filter((node) => !failures.has(node));
  };
  const started = followers.filter((node) => !failures.has(node));
  await ofEach(started, (node) => attached(group, node, signal));
  // Before the primary opens: after two failures in a row one of these may be its only replica.
  await rejoinExcluded(group);
  const candidates = followersOf(group).filter((node) => !failures.has(node));
  if (candidates.length === 0) {
    const [failure] = failures.values();
    if (failure !== undefined) throw failure;
    group.onProgress(`group ${group.tag} takes no writes: no replica is left; rebuild() one`);
    return 0;
  }
  await openGroup(group, signal);
  const position = await primaryOf(group).ask(binlogPosition);
  // One that was seen to execute may come to what it cannot execute only now.
  const following = await ofEach(candidates, (node) => catchUp(group, node, position, signal));
  const [failure] = failures.values();
  if (following.length === 0 && failure !== undefined) throw failure;
  // A server knows which logs an attached replica still reads, and nothing of one that is away.
  if (failures.size === 0) {
    const running = [primaryOf(group), ...following];
    await Promise.all(running.map((process) => process.ask(removeOldBinlogs)));
  }
  return following.length;
};
