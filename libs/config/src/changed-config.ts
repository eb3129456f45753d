import { statSync } from 'node:fs';

/**
 * Reads a file of configuration again when it has changed.
 *
 * @returns what `read` says of the changed file, undefined where it is as it was.
 * @throws what `read` throws, once for each change, and where the file is gone.
 */
export const createChangedConfig = <Config>(file: string, read: () => Config): (() => Config | undefined) => {
  const stampOf = (): string => {
    const { mtimeMs, size, ino } = statSync(file);
    return `${mtimeMs} ${size} ${ino}`;
  };
  let known = stampOf();
  return () => {
    const stamp = stampOf();
    if (stamp === known) return undefined;
    known = stamp;
    return read();
  };
};
