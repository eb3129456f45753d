import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import { DATABASE } from './accounts.ts';
import { rowsOf } from './administrator.ts';
import { removeOldBinlogs } from './binlog-space.ts';
import { executeRelayLog } from './execute-relay-log.ts';
import { createMariadbProcess, type MariadbProcess, type NodePlace, type NodeSurroundings } from './mariadb-node.ts';
import { LOCAL_HOST } from './ports.ts';
import { awaitAttached, awaitCaughtUp, binlogPosition, followPrimary, openPrimary } from './replication.ts';
import { createServerLife, type ServerLife } from './server-life.ts';
import { allOrNone } from './waiting.ts';

/**
 * One database server. A replica is back from `start()` when it follows its primary (if that runs); the primary when
 * a replica is attached, semi-sync is on and it takes writes. `start()` throws LocalStackError `child_not_ready` or,
 * with the process running on read-only, `replication_broken`.
 */
export type LocalNode = ServerLife & {
  /** Group and letter, such as `g1-a`. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly serverId: number;
  /** Lends a connection with all rights, over the unix socket: for tests and drills, never for services. */
  administer<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
};

/** One order group: a primary and its replicas. */
export type LocalGroup = {
  readonly tag: number;
  readonly database: string;
  readonly nodes: readonly LocalNode[];
  primary(): LocalNode;
  replicas(): readonly LocalNode[];
};

/** A group with what only the stack itself does. */
export type ControlledGroup = LocalGroup & {
  /** Starts all nodes and opens the primary. `gate` bounds how many servers start at the same moment. */
  startAll(gate: <T>(work: () => Promise<T>) => Promise<T>, signal?: AbortSignal): Promise<void>;
  /** Ends the primary first: while its replicas live, no session waits for an acknowledgement that cannot come. */
  stopAll(): Promise<void>;
};

const NODE_LETTERS = ['a', 'b', 'c'] as const;

/** The names of a group's nodes. */
export const namesOfGroup = (tag: number): readonly string[] => NODE_LETTERS.map((letter) => `g${tag}-${letter}`);

/** The places of a group's nodes; server ids differ over all groups. */
export const placesOfGroup = (tag: number, portOf: (name: string) => number): readonly NodePlace[] =>
  namesOfGroup(tag).map((name, index) => ({
    name,
    groupTag: tag,
    serverId: tag * 10 + index + 1,
    port: portOf(name),
  }));

/** One group as it will be; nothing is started. The first place is the primary's. */
export const createLocalGroup = (options: {
  readonly tag: number;
  readonly places: readonly NodePlace[];
  readonly surroundings: NodeSurroundings;
  readonly clock: Clock;
}): ControlledGroup => {
  const { tag, places, surroundings, clock } = options;
  const processes = places.map((place) => createMariadbProcess(place, surroundings));
  const primaryProcess = processes[0] as MariadbProcess;
  const replicaProcesses = processes.slice(1);
  /** Set while the primary is up but has not been opened yet, because no replica was there. */
  let primaryWaits = false;

  const open = async (signal?: AbortSignal) => {
    await primaryProcess.administer(async (connection) => {
      await openPrimary(clock, primaryProcess.name, connection, signal);
      // Asked first: IF NOT EXISTS alone would write a transaction to the binlog at every start.
      const present = await rowsOf(connection, `SHOW DATABASES LIKE '${DATABASE}'`);
      if (present.length === 0) await connection.query(`CREATE DATABASE ${DATABASE}`);
    });
    primaryWaits = false;
  };

  const startPrimaryProcess = async (signal?: AbortSignal) => {
    await primaryProcess.start(signal);
    primaryWaits = true;
  };

  const startReplicaProcess = async (replica: MariadbProcess, signal?: AbortSignal) => {
    await replica.start(signal);
    await replica.administer(async (connection) => {
      await executeRelayLog(clock, replica.name, connection, replica.dataFolder, signal);
      const primary = { host: LOCAL_HOST, port: primaryProcess.port };
      await followPrimary(connection, primary, surroundings.accounts.public.replication);
    });
  };

  const attached = (replica: MariadbProcess, signal?: AbortSignal) =>
    replica.administer((connection) => awaitAttached(clock, replica.name, connection, signal));

  /** A first start creates the schema: whoever reads from a replica right afterwards must find it there. */
  const catchUp = async () => {
    const position = await primaryProcess.administer(binlogPosition);
    await Promise.all(
      replicaProcesses.map((replica) =>
        replica.administer((connection) => awaitCaughtUp(replica.name, connection, position)),
      ),
    );
  };

  const startAgain = async (process: MariadbProcess) => {
    if (process === primaryProcess) {
      await startPrimaryProcess();
      await open();
      return;
    }
    await startReplicaProcess(process);
    if (primaryProcess.pid() === undefined) return;
    await attached(process);
    if (primaryWaits) await open();
  };

  const nodeOf = (process: MariadbProcess): LocalNode =>
    // Assigned, not spread: a spread would read the process number once and keep it.
    Object.assign(
      createServerLife({
        pid: () => process.pid(),
        kill: (signal) => process.kill(signal),
        start: () => startAgain(process),
      }),
      {
        name: process.name,
        host: LOCAL_HOST,
        port: process.port,
        serverId: process.serverId,
        administer: <T>(work: (connection: Connection) => Promise<T>) => process.administer(work),
      },
    );
  const nodes = processes.map(nodeOf);

  return {
    tag,
    database: DATABASE,
    nodes,
    primary: () => nodes[0] as LocalNode,
    replicas: () => nodes.slice(1),
    startAll: async (gate, signal) => {
      await allOrNone(
        [
          (inner) => gate(() => startPrimaryProcess(inner)),
          ...replicaProcesses.map((replica) => (inner: AbortSignal) => gate(() => startReplicaProcess(replica, inner))),
        ],
        signal,
      );
      await Promise.all(replicaProcesses.map((replica) => attached(replica, signal)));
      await open(signal);
      await catchUp();
      await Promise.all(processes.map((process) => process.administer(removeOldBinlogs)));
    },
    stopAll: async () => {
      await primaryProcess.stop();
      await Promise.all(replicaProcesses.map((replica) => replica.stop()));
    },
  };
};
