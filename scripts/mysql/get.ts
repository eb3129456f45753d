// npm run mysql:get: a real MySQL for the tests, beside the system and not in it. Debian has it in unstable only, so its packages are
// unpacked into .tools/mysql and started by their own loader. Nothing of `npm test` needs it.

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '@tillmesh/clock';
import { root, runTool } from '../run-program.ts';
import { type DebianSource, debianSourceIn } from './debian-source.ts';
import { GetError } from './get-error.ts';
import { createPrivateApt } from './private-apt.ts';
import { LAUNCHER, unpackMysql, versionOf } from './unpack.ts';

const HELP = `npm run mysql:get [-- options]

  --mirror <address>  fetch from this mirror of Debian instead of the one in the machine's apt sources
  --suite <name>      the suite to take the packages from (default unstable)
  --again             fetch even when a MySQL is there already`;

const PACKAGE = 'mysql-server-core';
const target = join(root, '.tools', 'mysql');
const aptFolder = join(root, '.tools', 'mysql-apt');

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const step = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
  say(`• ${what}`);
  const beganMs = systemClock.monotonicMs();
  const result = await work();
  say(`  done in ${((systemClock.monotonicMs() - beganMs) / 1_000).toFixed(1)} s`);
  return result;
};

const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

const otherWay = 'A MySQL of 8.4 or later whose mysqld is in PATH is used as well.';

const demandDebian = async (): Promise<string> => {
  const release = textOf('/etc/os-release');
  const value = (name: string) => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(release)?.[1] ?? '';
  if (process.platform !== 'linux' || process.arch !== 'x64' || value('ID') !== 'debian') {
    throw new GetError(
      `This fetches Debian's packages for amd64, and this machine is ${value('ID') || process.platform} on ${process.arch}. ${otherWay}`,
    );
  }
  for (const program of ['apt-get', 'dpkg-deb']) {
    if ((await runTool(program, ['--version'])).status !== 0)
      throw new GetError(`${program} is not in PATH. ${otherWay}`);
  }
  return value('VERSION_CODENAME');
};

const machineSource = (codename: string): DebianSource | undefined => {
  const folder = '/etc/apt/sources.list.d';
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /\.(?:list|sources)$/.test(name)) : [];
  const paths = ['/etc/apt/sources.list', ...names.map((name) => join(folder, name))];
  return debianSourceIn(
    paths.map((path) => ({ name: path, text: textOf(path) })),
    codename,
  );
};

const main = async (): Promise<void> => {
  const { values: options } = parseArgs({
    options: {
      mirror: { type: 'string' },
      suite: { type: 'string', default: 'unstable' },
      again: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) {
    say(HELP);
    return;
  }
  const present = existsSync(join(target, LAUNCHER)) ? await versionOf(join(target, LAUNCHER)) : undefined;
  if (present !== undefined && !options.again) {
    say(`MySQL ${present} is in .tools/mysql already; --again fetches it anew.`);
    return;
  }
  const codename = await demandDebian();
  const configured = machineSource(codename);
  const uri = options.mirror ?? configured?.uri;
  if (uri === undefined) {
    throw new GetError('No archive of Debian is in the apt sources of this machine: give one with --mirror <address>.');
  }
  const apt = createPrivateApt(aptFolder, { uri, signedBy: configured?.signedBy }, options.suite);
  await step(`Fetching the signed lists of ${options.suite} from ${uri} (11 MB)`, () => apt.update());
  const archives = await step(`Fetching ${PACKAGE} and its libraries (50 MB)`, () => apt.download(PACKAGE));
  const version = await step('Unpacking them into .tools/mysql', () => unpackMysql(archives, target));
  // Kept only while something is missing: after an interruption the next run goes on from there.
  rmSync(aptFolder, { recursive: true, force: true });
  say(`MySQL ${version} is there: npm run conformance -- --server mysql`);
};

try {
  await main();
} catch (error) {
  if (!(error instanceof GetError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
