import { EXECUTE_MS_MAX, executeRelayLog } from './execute-relay-log.ts';
import type { GroupContext } from './group-context.ts';
import type { MariadbProcess } from './mariadb-node.ts';
import { ATTACH_MS_MAX, awaitAttached, followPrimary } from './replication.ts';

/** Starts a replica's server and lets it follow the primary, which may be away. */
export const startReplica = async (
  group: GroupContext,
  replica: MariadbProcess,
  signal?: AbortSignal,
): Promise<void> => {
  await replica.start(signal);
  await replica.ask(
    (connection) =>
      executeRelayLog(group.clock, replica.name, connection, replica.dataFolder, signal, group.onProgress),
    EXECUTE_MS_MAX,
  );
  await follow(group, replica);
};

/** Lets a node whose replication is stopped follow the present primary. */
export const follow = async (group: GroupContext, node: MariadbProcess): Promise<void> => {
  const way = await group.wayToPrimary(node);
  await node.ask((connection) => followPrimary(connection, way, group.accounts.public.replication));
};

/** Waits until a node that follows is connected, for 20 seconds unless told. */
export const attached = (
  { clock }: GroupContext,
  node: MariadbProcess,
  signal?: AbortSignal,
  withinMs?: number,
): Promise<void> =>
  node.ask((connection) => awaitAttached(clock, node.name, connection, signal, withinMs), ATTACH_MS_MAX);
