import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { type AllAccounts, accountsSql } from './accounts.ts';
import { asAdministrator, rowsOf } from './administrator.ts';
import { mariadbConfig } from './mariadb-settings.ts';
import { copyTemplate } from './mariadb-template.ts';
import type { Supervisor } from './process-supervisor.ts';
import type { ServerSignal } from './server-life.ts';
import type { MariadbServer } from './servers.ts';
import type { StackFolder } from './stack-folder.ts';

/** Which node of which group, and where it listens. */
export type NodePlace = {
  readonly name: string;
  readonly groupTag: number;
  readonly serverId: number;
  readonly port: number;
};

/** What all nodes of a stack share. */
export type NodeSurroundings = {
  readonly server: MariadbServer;
  readonly folder: StackFolder;
  readonly template: string;
  readonly accounts: AllAccounts;
  readonly supervisor: Supervisor;
  readonly asRoot: boolean;
};

/** A database server as a process; who is primary is the group's affair. */
export type MariadbProcess = NodePlace & {
  readonly dataFolder: string;
  /** Starts the server on its data and waits until it answers; it is read-only and does not replicate yet. */
  start(signal?: AbortSignal): Promise<void>;
  kill(signal: ServerSignal): Promise<void>;
  stop(): Promise<void>;
  pid(): number | undefined;
  administer<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
};

// Crash recovery of the little data of a local stack takes a second or two even on a busy machine.
const READY_WITHIN_MS = 60_000;
// Writing the last pages takes well under a second; whoever waits longer hangs, and crash recovery mends it.
const STOP_GRACE_MS = 1_400;

/** A server as it will be; nothing is started. */
export const createMariadbProcess = (place: NodePlace, surroundings: NodeSurroundings): MariadbProcess => {
  const { server, folder, template, accounts, supervisor, asRoot } = surroundings;
  const home = folder.of(place.name);
  const dataFolder = join(home, 'data');
  const socket = join(folder.sockets, `${place.name}.sock`);
  const way = { socket, administrator: accounts.administrator };
  const administer: MariadbProcess['administer'] = (work) => asAdministrator(way, work);

  const writeConfiguration = async () => {
    const temporaryFolder = join(home, 'tmp');
    await mkdir(temporaryFolder, { recursive: true, mode: 0o700 });
    await copyTemplate(template, dataFolder);
    const initFile = join(home, 'accounts.sql');
    writeFileSync(initFile, accountsSql(accounts), { mode: 0o600 });
    writeFileSync(
      join(home, 'my.cnf'),
      mariadbConfig({ ...place, dataFolder, temporaryFolder, socket, initFile, asRoot }),
      {
        mode: 0o600,
      },
    );
  };

  return {
    ...place,
    dataFolder,
    administer,
    start: async (signal) => {
      signal?.throwIfAborted();
      await writeConfiguration();
      await supervisor.start(
        {
          name: place.name,
          command: server.path,
          args: [`--defaults-file=${join(home, 'my.cnf')}`],
          cwd: home,
          ready: () =>
            administer(async (connection) => {
              // Another server on this socket would be a bug of ours that no write may find out.
              const row = (await rowsOf(connection, 'SELECT @@server_id AS id'))[0];
              if (Number(row?.['id']) !== place.serverId) throw new Error('another server answers');
            }),
          readyWithinMs: READY_WITHIN_MS,
          restart: false,
          stopGraceMs: STOP_GRACE_MS,
        },
        signal,
      );
    },
    kill: (signal) => supervisor.kill(place.name, signal),
    stop: () => supervisor.stop(place.name),
    pid: () => supervisor.pid(place.name),
  };
};
