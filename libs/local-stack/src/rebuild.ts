import { rename, rm } from 'node:fs/promises';
import { run } from './administrator.ts';
import { copyWhileAcknowledging, copyWhileFrozen } from './data-copy.ts';
import { EXECUTE_MS_MAX } from './execute-relay-log.ts';
import { followersOf, type GroupContext, primaryOf } from './group-context.ts';
import { includesAll } from './gtid-history.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { MariadbProcess } from './mariadb-node.ts';
import { readHistory } from './primary-change.ts';
import { rejoin } from './rejoin.ts';
import { awaitCaughtUp, binlogPosition, readReplicaState, readSemiSyncState } from './replication.ts';
import { acknowledgeWaiting, openGroup } from './start-node.ts';
import { createStepWatch, type Step } from './step-watch.ts';
import { pollUntil, pollWhileAdvancing } from './waiting.ts';

/** What making a node anew did. */
export type Rebuild = {
  readonly node: string;
  /** Whose data it has now. */
  readonly copiedFrom: string;
  readonly bytes: number;
  readonly tookMs: number;
  readonly steps: readonly Step[];
};

const POLL_MS = 50;
const ALONE_MS = 6_000;
const RECEIVE_STALLED_MS = 10_000;

/** How a node replicates now; undefined for one that does not run, does not answer or is no replica. */
const stateOf = async (node: MariadbProcess) => {
  if (node.pid() === undefined) return undefined;
  try {
    return await node.ask(readReplicaState);
  } catch (error) {
    if (error instanceof LocalStackError && error.problem === 'node_silent') return undefined;
    throw error;
  }
};

/** Where the data comes from, and what would be lost or stopped by taking it from there. */
type Source = { readonly node: MariadbProcess; readonly acknowledges: boolean };

/** @throws {LocalStackError} when the group would take no writes without this node, or during the copy. */
const chooseSource = async (group: GroupContext, node: MariadbProcess): Promise<Source> => {
  const primary = primaryOf(group);
  const others = followersOf(group).filter((follower) => follower !== node);
  const states = await Promise.all(others.map(async (other) => ({ other, state: await stateOf(other) })));
  const receiving = states.filter(({ state }) => state?.receiving === true);
  const healthy = receiving.find(({ state }) => state?.executing === true);
  if (healthy !== undefined) return { node: healthy.other, acknowledges: true };
  const [broken] = receiving;
  if (broken !== undefined) {
    const what = `${broken.other.name} acknowledges writes but does not execute them, so it is no model for ${node.name}`;
    throw new LocalStackError('replication_broken', `${what}. End it with kill('SIGKILL'), and ask again.`);
  }
  if ((await stateOf(node))?.receiving === true) {
    const what = `${node.name} is the only replica that acknowledges: without it no write would be answered`;
    throw new LocalStackError('replication_broken', `${what}. Start or rebuild another first.`);
  }
  const probe = async () => ((await primary.ask(readSemiSyncState)).clients === 0 ? 'alone' : undefined);
  // A primary notices within its heartbeat, two seconds, that a replica is gone.
  const answer = await pollUntil({ clock: group.clock, everyMs: POLL_MS, withinMs: ALONE_MS, probe });
  if (answer === 'late') {
    const what = `${primary.name} has a replica that acknowledges and cannot be asked`;
    throw new LocalStackError('replication_broken', `${what}. End it with kill('SIGKILL'), and ask again.`);
  }
  return { node: primary, acknowledges: false };
};

/** Waits until a replica has received everything that the primary has written up to now. */
const awaitReceived = async (group: GroupContext, replica: MariadbProcess): Promise<void> => {
  const position = await primaryOf(group).ask(binlogPosition);
  const answer = await pollWhileAdvancing({
    clock: group.clock,
    everyMs: POLL_MS,
    stalledMs: RECEIVE_STALLED_MS,
    signal: group.closing,
    probe: async () => {
      const { received } = await replica.ask((connection) => readHistory(replica, connection));
      return includesAll(received, position) ? { answer: 'received' } : { at: received };
    },
  });
  if (answer === 'received') return;
  throw new LocalStackError('replication_broken', `${replica.name} does not receive what its primary writes`);
};

/** Copies the source's data beside the node's own; the node does not run meanwhile. */
const copyBeside = async (
  { clock, closing }: GroupContext,
  node: MariadbProcess,
  source: Source,
): Promise<{ readonly folder: string; readonly bytes: number }> => {
  const folder = `${node.dataFolder}.copy`;
  const order = { clock, source: source.node, target: folder, signal: closing };
  try {
    return { folder, bytes: await (source.acknowledges ? copyWhileAcknowledging(order) : copyWhileFrozen(order)) };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
};

/** Gives the node the copy instead of its own data, which from then on nobody can ask any more. */
const exchangeData = async (
  { roles }: GroupContext,
  node: MariadbProcess,
  source: Source,
  copy: string,
): Promise<void> => {
  // A replica as source has received everything; otherwise only the primary has what this node alone had acknowledged.
  const mayHoldMore = !source.acknowledges && (roles.exclusionOf(node.name)?.mayHoldMore ?? true);
  roles.exclude(node.name, { reason: 'it is being made anew', mayHoldMore });
  await rm(node.dataFolder, { recursive: true, force: true });
  await rename(copy, node.dataFolder);
};

/**
 * Makes a node that went its own way, is left out or is broken anew, from the data of a replica that goes on
 * acknowledging, so that the primary goes on taking writes. Its old data is thrown away once the copy is whole and the
 * replica has received everything that the primary had written; if it fails before, the node can be started as it was.
 *
 * With no other replica there the primary itself is copied, standing still for the time of the copy: no write could be
 * answered then anyway.
 *
 * @throws {LocalStackError} `options_wrong` for the primary; `node_silent` when the primary or the source does not
 *   answer; `replication_broken` when writes would stop or the data cannot be had.
 */
export const rebuild = async (group: GroupContext, node: MariadbProcess): Promise<Rebuild> => {
  const { clock, closing, onProgress } = group;
  const primary = primaryOf(group);
  if (node === primary) {
    throw new LocalStackError('options_wrong', `${node.name} is the primary: promote() another, then rebuild it`);
  }
  const watch = createStepWatch(clock);
  await primary.ask((connection) => run(connection, 'SELECT 1'));
  const source = await watch.step('find a source', () => chooseSource(group, node));
  await watch.step('end it', () => node.kill('SIGKILL'));
  if (source.acknowledges) {
    await watch.step('let the source receive everything', () => awaitReceived(group, source.node));
  }
  const { folder, bytes } = await watch.step('copy', () => copyBeside(group, node, source));
  await watch.step('exchange the data', () => exchangeData(group, node, source, folder));
  await watch.step('start and attach it', () => rejoin(group, node, { writtenBy: source.node }));
  if (group.primaryWaits) await watch.step('open the primary', () => openGroup(group, closing));
  else if (!source.acknowledges) await watch.step('answer who waits', () => acknowledgeWaiting(group));
  const position = await primary.ask(binlogPosition);
  const wait = { clock, signal: closing, onProgress };
  await watch.step('catch up', () =>
    node.ask((connection) => awaitCaughtUp(node.name, connection, position, wait), EXECUTE_MS_MAX),
  );
  return { node: node.name, copiedFrom: source.node.name, bytes, tookMs: watch.tookMs(), steps: watch.steps() };
};
