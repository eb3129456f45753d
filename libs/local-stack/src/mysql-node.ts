import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { asAdministrator, rowsOf } from './administrator.ts';
import type { NodePlace, NodeSurroundings } from './mariadb-node.ts';
import { copyTemplate } from './mariadb-template.ts';
import { mysqlAccountsSql } from './mysql-accounts.ts';
import type { DatabaseServer } from './mysql-server.ts';
import { mysqlConfig } from './mysql-settings.ts';
import type { ServerSignal } from './server-life.ts';

/** What all MySQL nodes of a stack share. */
export type MysqlSurroundings = Omit<NodeSurroundings, 'server'> & { readonly server: DatabaseServer };

/** A MySQL server as a process; who is primary is the group's affair. */
export type MysqlProcess = NodePlace & {
  /** Starts the server on its data and waits until it answers; it is read-only and does not replicate yet. */
  start(signal?: AbortSignal): Promise<void>;
  kill(signal: ServerSignal): Promise<void>;
  stop(): Promise<void>;
  pid(): number | undefined;
  administer<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
};

// Crash recovery of the little data of a local stack takes a few seconds even on a busy machine.
const READY_WITHIN_MS = 60_000;
// An orderly end takes a second or two, and up to ten when replicas are away; crash recovery mends what was cut short.
const STOP_GRACE_MS = 1_400;

/** A server as it will be; nothing is started. */
export const createMysqlProcess = (place: NodePlace, surroundings: MysqlSurroundings): MysqlProcess => {
  const { server, folder, template, accounts, supervisor, asRoot, clock } = surroundings;
  const home = folder.of(place.name);
  const socket = join(folder.sockets, `${place.name}.sock`);
  const way = { socket, administrator: accounts.administrator, clock };
  const administer: MysqlProcess['administer'] = (work) => asAdministrator(way, work);

  const writeConfiguration = async () => {
    const [dataFolder, temporaryFolder, initFile] = [join(home, 'data'), join(home, 'tmp'), join(home, 'accounts.sql')];
    await mkdir(temporaryFolder, { recursive: true, mode: 0o700 });
    await copyTemplate(template, dataFolder);
    writeFileSync(initFile, mysqlAccountsSql(accounts), { mode: 0o600 });
    const text = mysqlConfig({ ...place, dataFolder, temporaryFolder, socket, initFile, asRoot });
    writeFileSync(join(home, 'my.cnf'), text, { mode: 0o600 });
  };

  return {
    ...place,
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
