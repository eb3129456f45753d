import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import { type AllAccounts, accountsSql } from './accounts.ts';
import { asAdministrator, NoAnswerError } from './administrator.ts';
import { startDatabaseProcess } from './database-process.ts';
import { LocalStackError } from './local-stack-error.ts';
import { mariadbConfig } from './mariadb-settings.ts';
import { copyTemplate } from './mariadb-template.ts';
import type { Supervisor } from './process-supervisor.ts';
import type { ServerSignal } from './server-life.ts';
import type { MariadbServer } from './servers.ts';
import { createSmallDisk, diskFolderOf, mountSmallDisk, putSmallDiskAway, type SmallDisk } from './small-disk.ts';
import type { StackFolder } from './stack-folder.ts';

/** Which node of which group, and where it listens. */
export type NodePlace = {
  readonly name: string;
  readonly groupTag: number;
  readonly serverId: number;
  readonly port: number;
  /** Size of the disk of its own under its data; undefined when it has none. */
  readonly diskMegabytes?: number | undefined;
};

/** What all nodes of a stack share. */
export type NodeSurroundings = {
  readonly server: MariadbServer;
  readonly folder: StackFolder;
  readonly template: string;
  readonly accounts: AllAccounts;
  readonly supervisor: Supervisor;
  readonly asRoot: boolean;
  readonly clock: Clock;
};

/** A database server as a process; who is primary is the group's affair. */
export type MariadbProcess = NodePlace & {
  readonly dataFolder: string;
  /** Starts the server on its data and waits until it answers; it is read-only and does not replicate yet. */
  start(signal?: AbortSignal): Promise<void>;
  kill(signal: ServerSignal): Promise<void>;
  stop(): Promise<void>;
  /** Lets go of what it holds besides its process; called when it has been stopped for good. */
  leave(): Promise<void>;
  /** The disk of its own, if it has one. */
  readonly disk: SmallDisk | undefined;
  pid(): number | undefined;
  administer<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  /**
   * As `administer`, and never waits for ever: a server may be frozen in the middle of an answer.
   *
   * @param withinMs for everything that `work` does; 5 s unless told.
   * @throws {LocalStackError} `node_silent` when the server does not answer in time, or not at all.
   */
  ask<T>(work: (connection: Connection) => Promise<T>, withinMs?: number): Promise<T>;
};

// What is asked by default takes milliseconds; a machine on which a bench runs takes a hundred times as long.
const ANSWER_MS = 5_000;

/** Whether the connection broke or never came about; an error that the server itself tells is an answer. */
const isSilence = (error: unknown): boolean => {
  if (error instanceof NoAnswerError) return true;
  if (!(error instanceof Error)) return false;
  const { fatal, code } = error as { fatal?: unknown; code?: unknown };
  return fatal === true || code === 'PROTOCOL_SEQUENCE_TIMEOUT';
};

/**
 * A server as it will be; nothing is started.
 *
 * @param onChange told when the server has begun to answer, and when it has been ended.
 */
export const createMariadbProcess = (
  place: NodePlace,
  surroundings: NodeSurroundings,
  onChange: (state: 'up' | 'down') => Promise<void> = () => Promise.resolve(),
): MariadbProcess => {
  const { server, folder, template, accounts, supervisor, asRoot, clock } = surroundings;
  const home = folder.of(place.name);
  const dataFolder = join(place.diskMegabytes === undefined ? home : diskFolderOf(home), 'data');
  const socket = join(folder.sockets, `${place.name}.sock`);
  const way = { socket, administrator: accounts.administrator, clock };
  const administer: MariadbProcess['administer'] = (work) => asAdministrator(way, work);
  const ask: MariadbProcess['ask'] = async (work, withinMs = ANSWER_MS) => {
    try {
      return await asAdministrator(way, work, withinMs);
    } catch (error) {
      if (!isSilence(error)) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new LocalStackError('node_silent', `${place.name} does not answer: ${why}`, { cause: error });
    }
  };

  const writeConfiguration = async () => {
    const temporaryFolder = join(home, 'tmp');
    await mkdir(temporaryFolder, { recursive: true, mode: 0o700 });
    if (place.diskMegabytes === undefined) await putSmallDiskAway(home);
    else await mountSmallDisk(home, place.diskMegabytes);
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
    ask,
    start: async (signal) => {
      signal?.throwIfAborted();
      await writeConfiguration();
      await startDatabaseProcess(supervisor, { ...place, program: server.path, home, administer }, signal);
      await onChange('up');
    },
    kill: async (signal) => {
      await supervisor.kill(place.name, signal);
      if (supervisor.pid(place.name) === undefined) await onChange('down');
    },
    stop: async () => {
      await supervisor.stop(place.name);
      await onChange('down');
    },
    leave: () => putSmallDiskAway(home),
    disk: place.diskMegabytes === undefined ? undefined : createSmallDisk(home),
    pid: () => supervisor.pid(place.name),
  };
};
