import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from '../run-program.ts';
import { GetError } from './get-error.ts';

/** The program to start, in the folder that `unpackMysql` makes. */
export const LAUNCHER = 'mysqld';

// By its own loader: the machine's C library is older than the one the server was built with. exec, so that the process has the number
// that whoever started it knows.
const LAUNCHER_TEXT = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
libraries="$here/usr/lib/x86_64-linux-gnu"
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$here/usr/sbin/mysqld" "$@" \\
  --basedir="$here/usr" --plugin-dir="$here/usr/lib/mysql/plugin" \\
  --lc-messages-dir="$here/usr/share/mysql" --character-sets-dir="$here/usr/share/mysql/charsets"
`;

/** What the server does not need; two thirds of the space. */
const NOT_NEEDED = ['usr/bin', 'usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/gcc', 'etc'];

/** What a launcher says of its server, such as `9.7.4`; undefined where it cannot be run. */
export const versionOf = async (launcher: string): Promise<string | undefined> => {
  const { status, output } = await runTool(launcher, ['--version']);
  return status === 0 ? / Ver (\d+\.\d+\.\d+)\S* /.exec(output)?.[1] : undefined;
};

/**
 * Unpacks packages side by side into a folder, without any of their installation scripts, and writes a launcher.
 *
 * @param target replaced when everything is in place and the server has told its version; otherwise left as it was.
 * @returns the server's version.
 */
export const unpackMysql = async (archives: string, target: string): Promise<string> => {
  const unfinished = `${target}.${process.pid}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  try {
    for (const name of readdirSync(archives).filter((file) => file.endsWith('.deb'))) {
      const { status, output } = await runTool('dpkg-deb', ['-x', join(archives, name), unfinished]);
      if (status !== 0) throw new GetError(`${name} could not be unpacked: ${output}`);
    }
    for (const path of NOT_NEEDED) rmSync(join(unfinished, path), { recursive: true, force: true });
    const launcher = join(unfinished, LAUNCHER);
    writeFileSync(launcher, LAUNCHER_TEXT, { mode: 0o755 });
    const version = await versionOf(launcher);
    if (version === undefined) {
      const { output } = await runTool(launcher, ['--version']);
      throw new GetError(`what was unpacked does not run on this machine: ${output}`);
    }
    rmSync(target, { recursive: true, force: true });
    renameSync(unfinished, target);
    return version;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
};
