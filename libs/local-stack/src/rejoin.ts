import { run } from './administrator.ts';
import { EXECUTE_MS_MAX, executeRelayLog } from './execute-relay-log.ts';
import { attached, follow } from './following.ts';
import { type GroupContext, primaryOf } from './group-context.ts';
import { divergenceOf, gtidText, type NodeHistory } from './gtid-history.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { MariadbProcess } from './mariadb-node.ts';
import { ceaseToBePrimary, readHistory, takeReadOnly } from './primary-change.ts';

const diverged = (name: string, what: string): LocalStackError =>
  new LocalStackError('node_diverged', `${name} ${what}. It stays out of its group until it is made anew: rebuild()`);

/** @throws {LocalStackError} `node_diverged` when the node has a transaction that the primary does not have. */
const demandPrefix = (node: NodeHistory, primary: NodeHistory): void => {
  const own = divergenceOf(node, primary);
  if (own.length === 0) return;
  const list = own.map(gtidText).join(', ');
  throw diverged(node.name, `has gone its own way: ${primary.name} does not have its transactions up to ${list}`);
};

export type RejoinOptions = {
  /** The node whose data this is, when it was copied. */
  readonly writtenBy?: MariadbProcess;
  /** How long to wait until it is connected, 20 seconds unless told. */
  readonly attachWithinMs?: number;
};

/** Makes sure that a node which is left out and runs may follow, and prepares it. */
const prepare = async (group: GroupContext, node: MariadbProcess, writtenBy: MariadbProcess): Promise<void> => {
  const isReadOnly = await node.ask(takeReadOnly);
  if (!isReadOnly) throw diverged(node.name, 'holds writes that no replica has acknowledged');
  await node.ask(async (connection) => {
    await run(connection, 'STOP SLAVE');
    await executeRelayLog(group.clock, node.name, connection, node.dataFolder, group.closing, group.onProgress);
  }, EXECUTE_MS_MAX);
  const primary = primaryOf(group);
  const primaryHistory = await primary.ask((connection) => readHistory(primary, connection));
  await node.ask(async (connection) => {
    const history = await readHistory(node, connection);
    demandPrefix({ ...history, serverId: writtenBy.serverId }, primaryHistory);
    await ceaseToBePrimary(connection, history);
  });
};

/**
 * Brings a node that is left out back as a replica, if its history is the beginning of the present primary's. A server
 * that this starts is ended again when it has to stay out: its rows must not be counted by anybody who asks it. One that
 * ran before is left as it is.
 *
 * @throws {LocalStackError} `node_diverged` when it has to be made anew; `node_silent` when it or the primary, which
 *   has to be asked, does not answer; `replication_broken` when it does not get connected: it has been taken back
 *   nevertheless.
 */
export const rejoin = async (
  group: GroupContext,
  node: MariadbProcess,
  { writtenBy = node, attachWithinMs }: RejoinOptions = {},
): Promise<void> => {
  const ranBefore = node.pid() !== undefined;
  if (!ranBefore) await node.start(group.closing);
  try {
    await prepare(group, node, writtenBy);
  } catch (error) {
    if (!ranBefore) await node.stop();
    throw error;
  }
  // Before it can acknowledge anything: whoever promotes from now on has to ask it.
  group.roles.admit(node.name);
  await follow(group, node);
  await attached(group, node, group.closing, attachWithinMs);
};
