import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdir, open, rename, rm, rmdir, statfs } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { copyFolder } from './copy-folder.ts';
import { LocalStackError } from './local-stack-error.ts';

/** A disk of its own under a node's data, so small that a test can fill it. */
export type SmallDisk = {
  /** Takes everything that is free on it; returns the bytes. */
  fill(): Promise<number>;
  /** Gives back what `fill` has taken. */
  free(): Promise<void>;
};

/** An empty node takes some 100 MB. */
const MEGABYTES_MIN = 160;
const MOUNT_MS = 10_000;
const FILLER = 'filler';
// Large pieces for speed, small ones for the rest.
const PIECES_BYTES = [1024 * 1024, 4096];

const run = (command: string, args: readonly string[]): Promise<void> =>
  new Promise((resolve, reject) => {
    execFile(command, [...args], { timeout: MOUNT_MS, encoding: 'utf8' }, (error, _output, complaint) => {
      if (error === null) resolve();
      else reject(new Error(complaint.trim() || error.message, { cause: error }));
    });
  });

/** Where the disk of a node is mounted, inside its home. */
export const diskFolderOf = (home: string): string => join(home, 'disk');

const isMounted = (folder: string): boolean =>
  existsSync(folder) && statSync(folder).dev !== statSync(dirname(folder)).dev;

const notHere = (why: string): LocalStackError =>
  new LocalStackError(
    'not_possible_here',
    `a small disk is a tmpfs, and ${why}. Run the test as root on Linux, in a container with --cap-add SYS_ADMIN.`,
  );

/**
 * Mounts a tmpfs for a node and moves the data onto it that lies in its home; one that is mounted already is taken as it
 * is, with the data on it.
 *
 * @throws {LocalStackError} `not_possible_here` when this user or this machine cannot mount, `options_wrong` for a size in
 *   which a node does not fit.
 */
export const mountSmallDisk = async (home: string, megabytes: number): Promise<void> => {
  const folder = diskFolderOf(home);
  if (!Number.isInteger(megabytes) || megabytes < MEGABYTES_MIN) {
    throw new LocalStackError('options_wrong', `a small disk has at least ${MEGABYTES_MIN} MB, not ${megabytes}`);
  }
  if (isMounted(folder)) return;
  if (process.platform !== 'linux') throw notHere(`this is ${process.platform}`);
  if (userInfo().uid !== 0) throw notHere('only root may mount one');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', folder]).catch((error: unknown) => {
    throw notHere(`mount says: ${error instanceof Error ? error.message : String(error)}`);
  });
  const kept = join(home, 'data');
  if (!existsSync(kept)) return;
  const data = join(folder, 'data');
  await copyFolder(kept, `${data}.unfinished`);
  await rename(`${data}.unfinished`, data);
};

/** Moves the data back into the node's home and unmounts the disk; nothing happens when none is mounted. */
export const putSmallDiskAway = async (home: string): Promise<void> => {
  const folder = diskFolderOf(home);
  if (!isMounted(folder)) return;
  const [data, kept] = [join(folder, 'data'), join(home, 'data')];
  if (existsSync(data)) {
    await copyFolder(data, `${kept}.unfinished`);
    await rm(kept, { recursive: true, force: true });
    await rename(`${kept}.unfinished`, kept);
  }
  await run('umount', [folder]);
  await rmdir(folder);
};

/** The handle of a node's disk. */
export const createSmallDisk = (home: string): SmallDisk => {
  const filler = join(diskFolderOf(home), FILLER);
  return {
    fill: async () => {
      const file = await open(filler, 'a', 0o600);
      let bytes = 0;
      try {
        for (const pieceBytes of PIECES_BYTES) {
          const piece = Buffer.alloc(pieceBytes);
          for (;;) {
            const written = await file.write(piece).then(
              ({ bytesWritten }) => bytesWritten,
              (error: unknown) => {
                if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return 0;
                throw error;
              },
            );
            bytes += written;
            if (written < pieceBytes) break;
          }
        }
      } finally {
        await file.close();
      }
      const { bavail } = await statfs(diskFolderOf(home));
      if (bavail > 0) throw new Error(`${bavail} blocks are still free`);
      return bytes;
    },
    free: () => rm(filler, { force: true }),
  };
};
