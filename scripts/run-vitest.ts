import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { root, toolEnvironment } from './run-program.ts';

/**
 * Runs vitest to its end, its output on ours.
 *
 * @param words what follows `vitest run`.
 * @param environment what the tests find in their environment beside ours.
 * @returns its exit status, or 128 + n where signal n ended it.
 */
export const runVitest = (
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<number> =>
  new Promise((resolve, reject) => {
    const vitest = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...words], {
      cwd: root,
      env: { ...toolEnvironment(), ...environment },
      stdio: 'inherit',
    });
    // A terminal sends Ctrl-C to vitest by itself; we only have to stay until it has cleaned up. SIGTERM comes to us alone.
    process.on('SIGINT', () => undefined);
    process.on('SIGTERM', () => vitest.kill('SIGTERM'));
    vitest.once('error', reject);
    vitest.once('exit', (status, signal) => {
      resolve(signal === null ? (status ?? 1) : 128 + constants.signals[signal]);
    });
  });
