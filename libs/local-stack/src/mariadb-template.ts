import { spawn } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalStackError } from './local-stack-error.ts';
import { STORAGE_SETTINGS } from './mariadb-settings.ts';
import type { MariadbServer } from './servers.ts';

// The server prints its progress even when all is well; only the end matters when it is not.
const OUTPUT_KEPT = 4_096;

const runBootstrap = (server: MariadbServer, args: readonly string[], sql: string, signal: AbortSignal | undefined) =>
  new Promise<void>((resolve, reject) => {
    let output = '';
    const child = spawn(server.path, [...args], { stdio: ['pipe', 'ignore', 'pipe'], ...(signal ? { signal } : {}) });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-OUTPUT_KEPT);
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) return resolve();
      const message = `${server.path} could not make its system tables (status ${code}):\n${output.trimEnd()}`;
      reject(new LocalStackError('child_not_ready', message));
    });
    // A server that ends early closes its input; its status and output say why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(sql);
  });

/**
 * Makes a data folder with the system tables and one account, root at the unix socket without a password (the
 * accounts' SQL gives it one before the first connection). Takes about half a second.
 *
 * @param folder made; when it exists it is taken as it is.
 */
export const makeTemplate = async (
  server: MariadbServer,
  folder: string,
  options: { readonly asRoot: boolean; readonly signal?: AbortSignal | undefined },
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
    ...(options.asRoot ? ['--user=root'] : []),
    ...STORAGE_SETTINGS.map(([name, value]) => `--${name}=${value}`),
    '--enforce-storage-engine=',
    '--max-allowed-packet=8M',
    '--log-warnings=0',
  ];
  await runBootstrap(server, args, sql, options.signal);
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
