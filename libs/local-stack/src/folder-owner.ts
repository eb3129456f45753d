import { linkSync, renameSync } from 'node:fs';
import { LocalStackError } from './local-stack-error.ts';
import { readPidFile, removePidFile, writePidFile } from './pid-file.ts';

const inUse = (ownerFile: string, pid: number | undefined): LocalStackError =>
  new LocalStackError(
    'folder_in_use',
    pid === undefined
      ? `another process is just starting a local stack (${ownerFile}); try again`
      : `process ${pid} runs a local stack on this data already (${ownerFile}); end it first: kill ${pid}`,
  );

/** Takes the file of a dead owner out of the way. */
const removeDead = (ownerFile: string): void => {
  const aside = `${ownerFile}.${process.pid}.dead`;
  renameSync(ownerFile, aside);
  const owner = readPidFile(aside);
  // Between our look and our move somebody else may have been quicker: the file is theirs, so back with it.
  if (owner !== undefined) renameSync(aside, ownerFile);
  else removePidFile(aside);
};

/**
 * Makes this process the only one that runs a stack in the folder, until it ends or calls what is returned.
 *
 * @throws {LocalStackError} `folder_in_use` when another living process has it.
 */
export const takeFolder = (ownerFile: string): (() => void) => {
  const mine = `${ownerFile}.${process.pid}`;
  writePidFile(mine, { pid: process.pid, name: 'local stack' });
  try {
    // Two tries: the first may meet the file of a process that was killed.
    for (let attempt = 1; attempt <= 2; attempt++) {
      try {
        // A link is made whole or not at all, and only one process can make it.
        linkSync(mine, ownerFile);
        return () => {
          // Only once: afterwards the file may be somebody else's.
          if (readPidFile(ownerFile)?.pid === process.pid) removePidFile(ownerFile);
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const owner = readPidFile(ownerFile);
      if (owner !== undefined) throw inUse(ownerFile, owner.pid);
      removeDead(ownerFile);
    }
    throw inUse(ownerFile, undefined);
  } finally {
    removePidFile(mine);
  }
};

/** The process that runs a stack with this owner file now, if any. */
export const ownerOf = (ownerFile: string): number | undefined => readPidFile(ownerFile)?.pid;
