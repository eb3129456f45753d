import { spawn } from 'node:child_process';

const OUTPUT_BYTES_MAX = 8_192;

/** Runs a program to its end. Rejects with the end of what it printed when it fails. */
export const runOnce = (program: {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
}): Promise<void> =>
  new Promise((resolve, reject) => {
    const { command, args, env, cwd } = program;
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(env === undefined ? {} : { env }),
      ...(cwd === undefined ? {} : { cwd }),
    });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-OUTPUT_BYTES_MAX);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${args[0]} ended with ${signal ?? `status ${code}`}:\n${output}`));
    });
  });
