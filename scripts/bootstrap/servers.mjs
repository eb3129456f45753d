// MariaDB and Redis for the local stack, which runs them as plain child processes with their own data (docs/decisions).

import { aptInstall, isRootWithApt } from './apt.mjs';
import { tailOf } from './npm.mjs';
import { BootstrapError, step } from './progress.mjs';
import { folderOf } from './search-path.mjs';

// Servers live in the system folders, which are not on every user's PATH; Fedora keeps them in libexec.
const systemFolders = [
  '/usr/sbin',
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/libexec',
  '/opt/homebrew/bin',
  '/opt/homebrew/sbin',
];

/** Each inner list: programs of which one is enough. */
const servers = [
  { name: 'MariaDB', programs: [['mariadbd'], ['mariadb-install-db']], debianPackage: 'mariadb-server-core' },
  { name: 'Redis', programs: [['redis-server', 'valkey-server']], debianPackage: 'redis-server' },
];

const folderOfAny = (programs) =>
  programs.map((program) => folderOf(program, systemFolders)).find((folder) => folder !== undefined);

/** The servers that this machine lacks. */
export const missingServers = () =>
  servers.filter(({ programs }) => programs.some((choices) => folderOfAny(choices) === undefined));

/** The folders that hold the servers; they go to the end of PATH. */
export const serverFolders = () =>
  servers.flatMap(({ programs }) => programs.map(folderOfAny)).filter((folder) => folder !== undefined);

const installLine = () => {
  if (process.platform === 'darwin') return 'brew install mariadb redis';
  if (process.platform === 'win32') return 'wsl --install    (the local stack needs Linux: run Tillmesh inside WSL)';
  if (folderOf('apt-get') !== undefined)
    return 'sudo apt-get install --no-install-recommends mariadb-server-core redis-server';
  if (folderOf('dnf', systemFolders) !== undefined)
    return 'sudo dnf install mariadb-server valkey    (redis instead of valkey before Fedora 41 and RHEL 10)';
  return '(your package manager)  mariadb 10.11 or newer and redis 7 or valkey: mariadbd, mariadb-install-db, redis-server';
};

const howToInstall = (missing) =>
  [
    `${missing.map(({ name }) => name).join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not installed. The local stack runs the real servers as processes of its own, on free ports, with data in .local. Install them once with`,
    '',
    `    ${installLine()}`,
    '',
    'and run the same command again. None of them has to be running: stop them where the package started them.',
  ].join('\n');

/** Installs what is missing where that can be done without asking; otherwise says how. */
export const installServers = async (missing) => {
  if (missing.length === 0) return;
  if (!isRootWithApt()) throw new BootstrapError(howToInstall(missing));
  const names = missing.map(({ name }) => name).join(' and ');
  await step(`Installing ${names} with apt-get (once; the programs only, no service is started)`, async () => {
    const packages = missing.map(({ debianPackage }) => debianPackage);
    const { status, output } = await aptInstall(packages);
    const stillMissing = missingServers();
    if (status !== 0 || stillMissing.length > 0) {
      throw new BootstrapError(
        `${tailOf(output)}\n\napt-get could not install what is needed. ${howToInstall(stillMissing.length > 0 ? stillMissing : missing)}`,
      );
    }
  });
};
