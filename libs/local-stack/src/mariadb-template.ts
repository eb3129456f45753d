import { constants, existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sizeOfLog, tailOfLog } from './child-log.ts';
import { PID_FILE_ENDING } from './leftovers.ts';
import { LocalStackError } from './local-stack-error.ts';
import { STORAGE_SETTINGS } from './mariadb-settings.ts';
import { exitText, spawnChild } from './running-child.ts';
import type { MariadbServer } from './servers.ts';

const NAME = 'template';

/** Runs the server once over the SQL in a file. */
const runBootstrap = async (
  server: MariadbServer,
  args: readonly string[],
  place: { readonly inputFile: string; readonly logs: string },
  signal: AbortSignal | undefined,
): Promise<void> => {
  const log = join(place.logs, `${NAME}.log`);
  const logFrom = sizeOfLog(log);
  // With a pid file, so that a start after kill -9 of this process finds and ends it.
  const files = { log, pid: join(place.logs, `${NAME}${PID_FILE_ENDING}`) };
  const child = spawnChild({ name: NAME, command: server.path, args, inputFile: place.inputFile }, files);
  const onAbort = () => child.signal('SIGKILL');
  signal?.addEventListener('abort', onAbort, { once: true });
  const exit = await child.exited;
  signal?.removeEventListener('abort', onAbort);
  signal?.throwIfAborted();
  if (exit.code === 0) return;
  const tail = tailOfLog(log, logFrom);
  const what = `${server.path} could not make its system tables: it ${exitText(exit)}`;
  throw new LocalStackError('child_not_ready', `${what}\n  the end of ${log}:\n${tail}`);
};

/**
 * Makes a data folder with the system tables and one account, root at the unix socket without a password (the
 * accounts' SQL gives it one before the first connection). Takes about half a second.
 *
 * @param folder made; when it exists it is taken as it is.
 */
export const makeTemplate = async (
  server: MariadbServer,
  folder: string,
  options: { readonly asRoot: boolean; readonly logs: string; readonly signal?: AbortSignal | undefined },
): Promise<void> => {
  if (existsSync(folder)) return;
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  const files = await Promise.all(server.systemTableFiles.map((file) => readFile(file, 'utf8')));
  // As mariadb-install-db does: no account for the machine's name.
  const systemTables = files.join('\n').replaceAll(/^.*@current_hostname.*$/gm, '');
  const sql = [
    'CREATE DATABASE mysql;',
    'USE mysql;',
    'SET @auth_root_socket = NULL;',
    systemTables,
    "DELETE FROM global_priv WHERE Host <> 'localhost';",
    "DELETE FROM proxies_priv WHERE Host <> 'localhost';",
    '',
  ].join('\n');
  const args = [
    '--no-defaults',
    '--bootstrap',
    `--datadir=${unfinished}`,
    // Not the machine's: another server that starts deletes the temporary tables it finds in its folder.
    `--tmpdir=${unfinished}`,
    ...(options.asRoot ? ['--user=root'] : []),
    ...STORAGE_SETTINGS.map(([name, value]) => `--${name}=${value}`),
    '--enforce-storage-engine=',
    '--max-allowed-packet=8M',
    '--log-warnings=0',
  ];
  const inputFile = `${folder}.sql`;
  await writeFile(inputFile, sql);
  await runBootstrap(server, args, { inputFile, logs: options.logs }, options.signal);
  await rm(inputFile);
  // In place only when it is whole: a crash leaves `.unfinished`, which the next start throws away.
  await rename(unfinished, folder);
};

/** Copies the template to a node's data folder; a node that has data keeps it. */
export const copyTemplate = async (template: string, dataFolder: string): Promise<void> => {
  if (existsSync(dataFolder)) return;
  const unfinished = `${dataFolder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  // File systems that can share blocks do so.
  await cp(template, unfinished, { recursive: true, mode: constants.COPYFILE_FICLONE });
  await rename(unfinished, dataFolder);
};

/** Where the template of this version lies in a stack's folder. */
export const templateFolder = (folder: string, server: MariadbServer): string =>
  join(folder, `template-mariadb-${server.version}`);
