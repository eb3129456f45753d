import type { Connection } from 'mysql2/promise';
import type { GroupContext } from './group-context.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { MariadbProcess } from './mariadb-node.ts';
import type { GroupNetwork, NodeNetwork } from './node-network.ts';
import { LOCAL_HOST } from './ports.ts';
import { type Rebuild, rebuild } from './rebuild.ts';
import { createServerLife, type ServerLife } from './server-life.ts';
import type { SmallDisk } from './small-disk.ts';
import { startAgain } from './start-node.ts';
import type { Turns } from './turns.ts';

/**
 * One database server. `start()` brings it back in the role that it has now: a replica when it follows its primary (if
 * that runs); the primary when a replica is attached, semi-sync is on and it takes writes; one that is left out when it
 * could be made a replica again, and of such one also when it runs. It throws LocalStackError: `child_not_ready`;
 * with the process running on read-only, `replication_broken`; with the process ended again, `node_diverged`.
 */
export type LocalNode = ServerLife & {
  /** Group and letter, such as `g1-a`. */
  readonly name: string;
  readonly host: string;
  /** Where clients find it: the server's own port, or that of the proxy before it. */
  readonly port: number;
  readonly serverId: number;
  /** Lends a connection with all rights, over the unix socket: for tests and drills, never for services. */
  administer<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  /**
   * Its switches, to cut it off from its clients, from the other nodes or from everybody.
   *
   * @throws {LocalStackError} `options_wrong` when the stack was not started with `proxies`.
   */
  network(): NodeNetwork;
  /**
   * Its small disk, to fill it and to free it again.
   *
   * @throws {LocalStackError} `options_wrong` when the stack was not started with `smallDisks` for this node.
   */
  disk(): SmallDisk;
  /** Throws its data away and makes it anew as a replica, while the primary goes on taking writes. See `rebuild`. */
  rebuild(): Promise<Rebuild>;
};

/** The handle of a node. */
export const createLocalNode = (
  process: MariadbProcess,
  context: GroupContext,
  { turns, network }: { readonly turns: Turns; readonly network: GroupNetwork | undefined },
): LocalNode =>
  // Assigned, not spread: a spread would read the process number once and keep it.
  Object.assign(
    createServerLife({
      pid: () => process.pid(),
      kill: (signal) => process.kill(signal),
      start: () => turns.together(() => startAgain(context, process)),
      isStarted: () => process.pid() !== undefined && context.roles.exclusionOf(process.name) === undefined,
    }),
    {
      name: process.name,
      host: LOCAL_HOST,
      port: network?.clientPortOf(process.name) ?? process.port,
      serverId: process.serverId,
      administer: <T>(work: (connection: Connection) => Promise<T>) => process.administer(work),
      network: () => {
        if (network !== undefined) return network.of(process.name);
        throw new LocalStackError('options_wrong', 'nodes have switches only in a stack that was started with proxies');
      },
      disk: () => {
        if (process.disk !== undefined) return process.disk;
        throw new LocalStackError('options_wrong', `${process.name} has no disk of its own: start with smallDisks`);
      },
      rebuild: () => turns.alone(() => rebuild(context, process)),
    },
  );
