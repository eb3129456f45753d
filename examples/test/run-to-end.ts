import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Root of the repository: where a reader of the README types. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export type Ended = { readonly status: number | null; readonly stdout: string; readonly stderr: string };

const OUTPUT_CHARACTERS_MAX = 200_000;

/** Runs a program from the repository's root to its end, with nothing on its standard input. */
export const runToEnd = (
  command: string,
  args: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly withinMs: number },
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.withinMs,
      killSignal: 'SIGKILL',
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(-OUTPUT_CHARACTERS_MAX);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-OUTPUT_CHARACTERS_MAX);
    });
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
