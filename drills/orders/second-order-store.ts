import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '@tillmesh/clock';
import type { Mesh } from '@tillmesh/local-mesh';
import { createSupervisor, freePorts, type Supervisor } from '@tillmesh/local-stack';
import { isServing } from '@tillmesh/rpc';

/** One more order store beside that of a mesh, with the same configuration, as in production. */
export type SecondOrderStore = {
  readonly name: string;
  /** host:port */
  readonly address: string;
  readonly processes: Pick<Supervisor, 'kill' | 'pid' | 'logPath'>;
  stop(): Promise<void>;
};

const NAME = 'order-store-2';
const READY_WITHIN_MS = 60_000;
const MAIN = fileURLToPath(new URL('../../services/order-store/src/main.ts', import.meta.url));

/** Starts it; it is started again whenever it ends. */
export const startSecondOrderStore = async (
  mesh: Mesh,
  env: NodeJS.ProcessEnv,
  clock: Clock,
): Promise<SecondOrderStore> => {
  const runFolder = join(mesh.folder, 'run');
  const [port = 0] = await freePorts(1);
  const config = JSON.parse(readFileSync(join(runFolder, 'order-store.json'), 'utf8')) as { server: object };
  const configFile = join(runFolder, `${NAME}.json`);
  writeFileSync(configFile, JSON.stringify({ ...config, server: { ...config.server, port } }), { mode: 0o600 });
  const supervisor = createSupervisor({ clock, logFolder: join(mesh.folder, 'logs') });
  const address = `127.0.0.1:${port}`;
  await supervisor.start({
    name: NAME,
    command: process.execPath,
    args: [MAIN],
    env: { PATH: env['PATH'] ?? '', HOME: env['HOME'] ?? '', TILLMESH_CONFIG: configFile },
    cwd: runFolder,
    ready: async () => {
      if (!(await isServing(address))) throw new Error(`${NAME} does not serve yet`);
    },
    readyWithinMs: READY_WITHIN_MS,
    restart: true,
    stopGraceMs: 6_000,
  });
  return { name: NAME, address, processes: supervisor, stop: () => supervisor.stopAll() };
};
