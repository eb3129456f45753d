import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownerOfMesh } from '@tillmesh/local-mesh';
import { root } from './run-program.ts';

/** What is written down about a mesh that runs, for those who want to call it. */
export type MeshFile = {
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly addresses: Readonly<Record<string, string>>;
};

/** Where `npm start` keeps its data unless it is told otherwise: inside the checkout, ignored by git. */
export const meshFolder = join(root, '.local', 'mesh');

const fileIn = (folder: string): string => join(folder, 'mesh.json');

/** Writes down what listens where. */
export const writeMeshFile = (folder: string, content: MeshFile): void => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(fileIn(folder), `${JSON.stringify(content, null, 2)}\n`);
};

/** Forgets it again. */
export const removeMeshFile = (folder: string): void => rmSync(fileIn(folder), { force: true });

const readMeshFile = (folder: string): MeshFile | undefined => {
  try {
    return existsSync(fileIn(folder)) ? (JSON.parse(readFileSync(fileIn(folder), 'utf8')) as MeshFile) : undefined;
  } catch {
    // Half a file of a process that was killed while it wrote.
    return undefined;
  }
};

/** Where a service of the mesh on a folder listens; undefined where nothing runs. */
export const addressIn = (folder: string, service: string): string | undefined =>
  readMeshFile(folder)?.addresses[service];

/**
 * Where a command's service listens: where its options say, or that of the mesh on their folder. Says on stderr what to do where there is neither.
 *
 * @param what the service in words, such as `a syncer`.
 */
export const targetOf = (
  options: { readonly address?: string | undefined; readonly folder: string },
  service: string,
  what: string,
): string | undefined => {
  const target = options.address ?? addressIn(options.folder, service);
  if (target === undefined) {
    process.stderr.write(
      `No mesh runs on ${options.folder}: start one with npm start, or name ${what} with --address\n`,
    );
  }
  return target;
};

/** The lines that tell what runs where and how to stop it; undefined where nothing runs. */
export const runningMeshLines = (folder: string): string[] | undefined => {
  const owner = ownerOfMesh(folder);
  if (owner === undefined) return undefined;
  const file = readMeshFile(folder);
  return [
    file === undefined
      ? `A mesh is starting on ${folder} (process ${owner}).`
      : `A mesh has been running on ${folder} since ${file.startedAt} (process ${owner}):`,
    ...Object.entries(file?.addresses ?? {}).map(([name, address]) => `  ${name.padEnd(18)} ${address}`),
    'Stop it with Ctrl-C in its terminal, or with: npm stop',
  ];
};
