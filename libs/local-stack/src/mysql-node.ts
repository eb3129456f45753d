import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { asAdministrator } from './administrator.ts';
import { startDatabaseProcess } from './database-process.ts';
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
      await startDatabaseProcess(supervisor, { ...place, program: server.path, home, administer }, signal);
    },
    kill: (signal) => supervisor.kill(place.name, signal),
    stop: () => supervisor.stop(place.name),
    pid: () => supervisor.pid(place.name),
  };
};
