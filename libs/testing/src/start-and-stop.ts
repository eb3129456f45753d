import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';

/** How a process ended, and everything that it wrote. */
export type EndedProcess = {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly output: string;
};

const END_WITHIN_MS = 60_000;

/**
 * Starts a service's process, ends it as soon as it says that it is ready, and waits for its end; after a minute it is killed.

 *
 * @param main path of its main.ts.
 * @param folder where its configuration is written, and what file names in it are relative to.
 * @param settings its configuration, or the text of a file that is none. Left out: TILLMESH_CONFIG is not set.
 * @param env of the test's own process: PATH and the like.
 * @param untilSaid what it has to write before it is ended, in place of that it is ready.
 */
export const startAndStop = async (
  main: string,
  folder: string,
  settings: object | string | undefined,
  env: NodeJS.ProcessEnv,
  untilSaid = '"msg":"ready"',
): Promise<EndedProcess> => {
  const config = settings === undefined ? '' : join(folder, 'config.json');
  if (config !== '') writeFileSync(config, typeof settings === 'string' ? settings : JSON.stringify(settings));
  const child = spawn(process.execPath, [main], {
    env: { ...env, TILLMESH_CONFIG: config },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const hear = (part: Buffer) => {
    output += part.toString();
    if (output.includes(untilSaid)) child.kill('SIGTERM');
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const cancel = systemClock.after(END_WITHIN_MS, () => child.kill('SIGKILL'));
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  } finally {
    cancel();
  }
};
