import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './run-program.ts';

/** What is written down about a mesh that runs, for those who want to call it or stop it. */
export type MeshFile = {
  readonly pid: number;
  readonly startedAt: string;
  readonly addresses: Readonly<Record<string, string>>;
};

/** Where `npm start` keeps its data: inside the checkout, ignored by git. */
export const meshFolder = join(root, '.local', 'mesh');

const file = join(meshFolder, 'mesh.json');

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** The mesh that runs in this checkout; undefined where none does. */
export const readMeshFile = (): MeshFile | undefined => {
  if (!existsSync(file)) return undefined;
  try {
    const written = JSON.parse(readFileSync(file, 'utf8')) as MeshFile;
    return isAlive(written.pid) ? written : undefined;
  } catch {
    // Half a file of a process that was killed while it wrote: nothing runs.
    return undefined;
  }
};

/** Writes down that this process runs the mesh. */
export const writeMeshFile = (content: MeshFile): void => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
};

/** Forgets it again. */
export const removeMeshFile = (): void => rmSync(file, { force: true });

/** The lines that tell what runs where and how to stop it. */
export const meshLines = ({ pid, startedAt, addresses }: MeshFile): string[] => [
  `A mesh has been running in this checkout since ${startedAt} (process ${pid}):`,
  ...Object.entries(addresses).map(([name, address]) => `  ${name.padEnd(18)} ${address}`),
  'Stop it with Ctrl-C in its terminal, or with: npm run stop',
];
