import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sizeOfLog, tailOfLog } from './child-log.ts';
import { PID_FILE_ENDING } from './leftovers.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { DatabaseServer } from './mysql-server.ts';
import { MYSQL_STORAGE_SETTINGS } from './mysql-settings.ts';
import { exitText, spawnChild } from './running-child.ts';

const NAME = 'template';

/**
 * Makes a data folder with the system tables and one account, root at the unix socket without a password (the
 * accounts' SQL gives it one before the first connection). Takes about three seconds.
 *
 * @param folder made; when it exists it is taken as it is.
 */
export const makeMysqlTemplate = async (
  server: DatabaseServer,
  folder: string,
  options: { readonly asRoot: boolean; readonly logs: string; readonly signal?: AbortSignal | undefined },
): Promise<void> => {
  if (existsSync(folder)) return;
  const { asRoot, logs, signal } = options;
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(dirname(unfinished), { recursive: true, mode: 0o700 });
  const log = join(logs, `${NAME}.log`);
  const logFrom = sizeOfLog(log);
  const args = [
    '--no-defaults',
    '--initialize-insecure',
    `--datadir=${unfinished}`,
    ...(asRoot ? ['--user=root'] : []),
    ...MYSQL_STORAGE_SETTINGS.map(([name, value]) => `--${name}=${value}`),
  ];
  const files = { log, pid: join(logs, `${NAME}${PID_FILE_ENDING}`) };
  const child = spawnChild({ name: NAME, command: server.path, args }, files);
  const onAbort = () => child.signal('SIGKILL');
  signal?.addEventListener('abort', onAbort, { once: true });
  const exit = await child.exited;
  signal?.removeEventListener('abort', onAbort);
  signal?.throwIfAborted();
  if (exit.code !== 0) {
    const what = `${server.path} could not make its system tables: it ${exitText(exit)}`;
    throw new LocalStackError('child_not_ready', `${what}\n  the end of ${log}:\n${tailOfLog(log, logFrom)}`);
  }
  // Holds the server's UUID, of which every node needs its own: it makes one when there is none.
  await rm(join(unfinished, 'auto.cnf'), { force: true });
  await rename(unfinished, folder);
};
