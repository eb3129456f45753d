import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** How a process ended, and everything that it wrote. */
export type EndedProcess = { readonly code: number | null; readonly output: string };

/**
 * Starts a channel's process with these settings, ends it as soon as it is ready, and waits for its end.
 *
 * @param main path of its main.ts.
 * @param folder where its configuration is written, and what file names in it are relative to. Without settings none is named.
 */
export const startAndStop = async (main: string, folder: string, settings?: object): Promise<EndedProcess> => {
  const config = settings === undefined ? '' : join(folder, 'config.json');
  if (settings !== undefined) writeFileSync(config, JSON.stringify(settings));
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, TILLMESH_CONFIG: config },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const hear = (part: Buffer) => {
    output += part.toString();
    if (output.includes('"msg":"ready"')) child.kill('SIGTERM');
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
};
