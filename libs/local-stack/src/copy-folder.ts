import { constants } from 'node:fs';
import { copyFile, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Copies a folder file by file; the target is made anew. Between two files it can be given up.
 *
 * @param leaveOut names, at any depth, that are not copied.
 * @returns the bytes that were copied.
 * @throws the signal's reason when it is aborted; what was copied until then stays.
 */
export const copyFolder = async (
  from: string,
  to: string,
  options: { readonly leaveOut?: RegExp; readonly signal?: AbortSignal } = {},
): Promise<number> => {
  const { leaveOut, signal } = options;
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true, mode: 0o700 });
  let bytes = 0;
  for (const entry of await readdir(from, { withFileTypes: true })) {
    signal?.throwIfAborted();
    if (leaveOut?.test(entry.name) === true) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) bytes += await copyFolder(source, target, options);
    else if (entry.isFile()) {
      // File systems that can share blocks do so.
      await copyFile(source, target, constants.COPYFILE_FICLONE);
      bytes += (await stat(target)).size;
    }
  }
  return bytes;
};
