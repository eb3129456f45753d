import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import { DATABASE } from './accounts.ts';
import { removeOldBinlogs } from './binlog-space.ts';
import type { ControlledGroup } from './local-group.ts';
import type { LocalNode } from './local-node.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { NodePlace } from './mariadb-node.ts';
import { createMysqlProcess, type MysqlProcess, type MysqlSurroundings } from './mysql-node.ts';
import {
  awaitAttached,
  awaitCaughtUp,
  binlogPosition,
  executeRelayLog,
  followPrimary,
  openPrimary,
} from './mysql-replication.ts';
import { makeDatabase } from './opening-primary.ts';
import { LOCAL_HOST } from './ports.ts';
import { createServerLife } from './server-life.ts';
import { allOrNone } from './waiting.ts';

const onlyMariadb = (what: string): never => {
  throw new LocalStackError('options_wrong', `${what} only in a stack that was started with server: 'mariadb'`);
};

const nodeOf = (process: MysqlProcess, startAgain: (process: MysqlProcess) => Promise<void>): LocalNode =>
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
      network: () => onlyMariadb('nodes have switches'),
      disk: () => onlyMariadb('nodes have disks of their own'),
      rebuild: async () => onlyMariadb('nodes are rebuilt'),
    },
  );

/** Waits for a replica, then lets the primary take writes. */
const letWrite = (clock: Clock, primary: MysqlProcess, signal: AbortSignal | undefined): Promise<void> =>
  primary.administer(async (connection) => {
    await openPrimary(clock, primary.name, connection, signal);
    await makeDatabase(connection);
  });

/** A first start creates the schema: whoever reads from a replica right afterwards must find it there. */
const catchUp = async (primary: MysqlProcess, replicas: readonly MysqlProcess[]): Promise<void> => {
  const position = await primary.administer(binlogPosition);
  await Promise.all(
    replicas.map((replica) => replica.administer((connection) => awaitCaughtUp(replica.name, connection, position))),
  );
};

/**
 * One group on MySQL as it will be; nothing is started. The first place is the primary's and stays so. For tests of the
 * order store on the other server; drills and promotion are MariaDB's.
 */
export const createMysqlGroup = (options: {
  readonly tag: number;
  readonly places: readonly NodePlace[];
  readonly surroundings: MysqlSurroundings;
}): ControlledGroup => {
  const { tag, places, surroundings } = options;
  const { clock } = surroundings;
  const processes = places.map((place) => createMysqlProcess(place, surroundings));
  const primary = processes[0] as MysqlProcess;
  const replicas = processes.slice(1);
  /** Set while the primary is up but has not been opened yet, because no replica was there. */
  let primaryWaits = false;

  const open = async (signal?: AbortSignal) => {
    await letWrite(clock, primary, signal);
    primaryWaits = false;
  };
  const startPrimary = async (signal?: AbortSignal) => {
    await primary.start(signal);
    primaryWaits = true;
  };
  const startReplica = async (replica: MysqlProcess, signal?: AbortSignal) => {
    await replica.start(signal);
    await replica.administer(async (connection) => {
      await executeRelayLog(replica.name, connection);
      await followPrimary(
        connection,
        { host: LOCAL_HOST, port: primary.port },
        surroundings.accounts.public.replication,
      );
    });
  };
  const attached = (replica: MysqlProcess, signal?: AbortSignal) =>
    replica.administer((connection) => awaitAttached(clock, replica.name, connection, signal));

  const startAgain = async (process: MysqlProcess) => {
    if (process === primary) {
      await startPrimary();
      await open();
      return;
    }
    await startReplica(process);
    if (primary.pid() === undefined) return;
    await attached(process);
    if (primaryWaits) await open();
  };

  const nodes = processes.map((process) => nodeOf(process, startAgain));

  return {
    tag,
    database: DATABASE,
    nodes,
    primary: () => nodes[0] as LocalNode,
    replicas: () => nodes.slice(1),
    excluded: () => [],
    promote: async () => onlyMariadb('groups are promoted'),
    startAll: async (gate, signal) => {
      await allOrNone(
        [
          (inner) => gate(() => startPrimary(inner)),
          ...replicas.map((replica) => (inner: AbortSignal) => gate(() => startReplica(replica, inner))),
        ],
        signal,
      );
      await Promise.all(replicas.map((replica) => attached(replica, signal)));
      await open(signal);
      await catchUp(primary, replicas);
      await Promise.all(processes.map((process) => process.administer(removeOldBinlogs)));
      return replicas.length;
    },
    stopAll: async () => {
      // The primary first: while its replicas live, no session is told OK for a write that no replica has.
      await primary.stop();
      await Promise.all(replicas.map((replica) => replica.stop()));
    },
  };
};
