import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '@tillmesh/clock';
import type { Mesh } from '@tillmesh/local-mesh';

/** An operator's commands over the groups of a mesh, each a process of its own. */
export type GroupsCommand = {
  /** Runs one to its end, again where it was refused. @throws with what it printed where it fails in the end. */
  run(words: readonly string[]): Promise<string>;
  /** How often one was run again. */
  repeats(): number;
  /** Starts one, to be killed. `ended` resolves with its exit status, undefined where a signal ended it. */
  start(words: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<number | undefined> };
};

const MAIN = fileURLToPath(new URL('../../services/order-store/src/groups-main.ts', import.meta.url));

/** A change is refused while an order store does not see every group's primary; on a busy machine that happens. */
const TRIES_MAX = 5;
const TRY_AGAIN_MS = 2_000;

/** Commands over this mesh, with what `npm run groups` would use. */
export const createGroupsCommand = (mesh: Mesh, env: NodeJS.ProcessEnv, clock: Clock): GroupsCommand => {
  const config = join(mesh.folder, 'run', 'migrate.json');
  const begin = (words: readonly string[]) => {
    const child = spawn(process.execPath, [MAIN, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: env['PATH'] ?? '', HOME: env['HOME'] ?? '', TILLMESH_CONFIG: config },
    });
    let output = '';
    const keep = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const ended = new Promise<number | undefined>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? undefined));
    });
    return { child, ended, output: () => output };
  };
  let repeats = 0;
  return {
    repeats: () => repeats,
    start: (words) => begin(words),
    run: async (words) => {
      for (let tries = 1; ; tries += 1) {
        const { ended, output } = begin(words);
        const code = await ended;
        if (code === 0) return output();
        if (tries === TRIES_MAX) {
          throw new Error(`groups ${words.join(' ')} ended with ${code ?? 'a signal'}:\n${output()}`);
        }
        repeats += 1;
        await clock.sleep(TRY_AGAIN_MS);
      }
    },
  };
};
