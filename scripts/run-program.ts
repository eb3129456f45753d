import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's folder. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '');

/** What a program printed and how it ended: 0 to 255, or 128 + n where signal n ended it. */
export type Ended = { readonly status: number; readonly output: string };

// A tool that prints without end must not take the memory with it.
const outputCharsMax = 2_000_000;

/** The environment in which the tools of node_modules are found, however this process was started. */
export const toolEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: [join(root, 'node_modules', '.bin'), process.env['PATH'] ?? ''].join(delimiter),
});

/** Runs a tool to its end and keeps what it prints on both streams. A tool that cannot be started has status 127. */
export const runTool = (
  program: string,
  words: readonly string[],
  options: { readonly folder?: string } = {},
): Promise<Ended> =>
  new Promise((resolve) => {
    const child = spawn(program, words, {
      cwd: options.folder ?? root,
      env: { ...toolEnvironment(), NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk: Buffer) => {
      if (output.length < outputCharsMax) output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => {
      resolve({ status: 127, output: `${program} cannot be started: ${error.message}` });
    });
    child.once('close', (status) => {
      resolve({ status: status ?? 137, output: output.trim() });
    });
  });
