import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, runTool } from './run-program.ts';

/** Where a program of Debian's is unpacked, apart from the system. */
const folderOf = (packageName: string): string => join(root, '.tools', 'debian', packageName);

/** Fetches a package and unpacks it, without installing it and without what it depends on. @returns whether that worked. */
const fetch = async (packageName: string): Promise<boolean> => {
  const folder = folderOf(packageName);
  const fresh = `${folder}.${process.pid}.unfinished`;
  mkdirSync(fresh, { recursive: true });
  try {
    if ((await runTool('apt-get', ['download', packageName], { folder: fresh })).status !== 0) return false;
    const [file] = readdirSync(fresh).filter((name) => name.endsWith('.deb'));
    if (file === undefined) return false;
    if ((await runTool('dpkg-deb', ['-x', join(fresh, file), join(fresh, 'files')])).status !== 0) return false;
    rmSync(folder, { recursive: true, force: true });
    renameSync(join(fresh, 'files'), folder);
    return true;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
};

/**
 * The path of a program that needs nothing but itself: the one on PATH, or one of a package of Debian's in .tools, which is fetched once.
 *
 * @param options.mayFetch whether it is to be fetched where it is not there and this machine has apt.
 * @returns undefined where there is none.
 */
export const debianProgram = async (options: {
  readonly name: string;
  readonly packageName: string;
  readonly mayFetch: boolean;
}): Promise<string | undefined> => {
  const { name, packageName, mayFetch } = options;
  if ((await runTool(name, ['--version'])).status === 0) return name;
  const path = join(folderOf(packageName), 'usr', 'bin', name);
  if (existsSync(path)) return path;
  return mayFetch && (await fetch(packageName)) ? path : undefined;
};
