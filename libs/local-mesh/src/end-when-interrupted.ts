import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const MAIN = fileURLToPath(new URL('end-leftovers-main.ts', import.meta.url));

/**
 * From now on SIGINT, SIGTERM and SIGHUP end this process at once with 128 + the signal's number, and everything that it has started on the
 * folder in the seconds after. For programs that start a mesh for a while; one that lives on ends its mesh in order itself.
 *
 * @param folder the mesh's or the local stack's.
 * @param keeps whether data and logs stay.
 */
export const endWhenInterrupted = (folder: string, keeps: boolean): void => {
  for (const [signal, status] of Object.entries(SIGNALS)) {
    process.once(signal, () => {
      const args = [MAIN, folder, ...(keeps ? ['--keep'] : [])];
      spawn(process.execPath, args, { detached: true, stdio: 'ignore' }).unref();
      process.exit(status);
    });
  }
};
