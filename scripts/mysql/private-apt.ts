import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Ended, runTool } from '../run-program.ts';
import type { DebianSource } from './debian-source.ts';
import { GetError } from './get-error.ts';

/**
 * The machine's own apt, with lists, cache and status in a folder of its own: it knows proxies and mirrors, verifies the signature of the
 * lists and the sum of every package, and goes on where a download was cut. Nothing is installed and nothing of the system is changed.
 */
export type PrivateApt = {
  /** Fetches the lists of packages. */
  update(): Promise<void>;
  /**
   * Fetches a package and all that it depends on.
   *
   * @returns the folder that holds their `.deb` files.
   */
  download(packageName: string): Promise<string>;
};

// The server's package wants perl for scripts that nobody runs here. Said to be there already, it is not fetched.
const STATUS = `Package: perl
Status: install ok installed
Architecture: amd64
Multi-Arch: allowed
Version: 99
Maintainer: nobody
Description: not needed

`;

const sourceText = ({ uri, signedBy }: DebianSource, suite: string): string =>
  [
    'Types: deb',
    `URIs: ${uri}`,
    `Suites: ${suite}`,
    'Components: main',
    'Architectures: amd64',
    'Targets: Packages',
    ...(signedBy === undefined ? [] : [`Signed-By: ${signedBy}`]),
    '',
  ].join('\n');

const settings = (folder: string): string =>
  Object.entries({
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'dpkg', 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': join(folder, 'sources'),
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Architecture': 'amd64',
    'APT::Install-Recommends': 'false',
    // Debian's signature is what makes the rest worth anything.
    'APT::Get::AllowUnauthenticated': 'false',
    'Acquire::AllowInsecureRepositories': 'false',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    'Acquire::http::Timeout': '30',
    'Acquire::https::Timeout': '30',
    // The checkout need not be readable for apt's own user.
    'APT::Sandbox::User': 'root',
    // Somebody else who fetches into this checkout is waited for.
    'DPkg::Lock::Timeout': '300',
  })
    .map(([name, value]) => `${name} "${value}";\n`)
    .join('');

const demandSuccess = ({ status, output }: Ended, what: string): void => {
  if (status === 0) return;
  const errors = output.split('\n').filter((line) => /^[EW]:/.test(line));
  const said = (errors.length > 0 ? errors : output.split('\n').slice(-5)).map((line) => `  ${line}`).join('\n');
  throw new GetError(
    `apt-get could not ${what}:\n${said}\nIs the mirror reachable? Another one can be given: npm run mysql:get -- --mirror <address>. What came already is kept.`,
  );
};

/** Prepares the folder; nothing is fetched yet. */
export const createPrivateApt = (folder: string, source: DebianSource, suite: string): PrivateApt => {
  for (const inner of ['state/lists/partial', 'cache/archives/partial', 'sources', 'dpkg']) {
    mkdirSync(join(folder, inner), { recursive: true });
  }
  const configuration = join(folder, 'apt.conf');
  writeFileSync(configuration, settings(folder));
  writeFileSync(join(folder, 'sources', 'debian.sources'), sourceText(source, suite));
  writeFileSync(join(folder, 'dpkg', 'status'), STATUS);
  const apt = (...words: readonly string[]) => runTool('apt-get', ['-c', configuration, ...words]);
  return {
    update: async () => {
      const ended = await apt('update');
      // Lists that could not be fetched are only a warning to apt.
      const failed = /^(?:W: Failed to fetch|W: Some index files failed|W: GPG error)/m.test(ended.output);
      demandSuccess(failed ? { ...ended, status: 100 } : ended, `fetch the lists of ${suite} from ${source.uri}`);
    },
    download: async (packageName) => {
      const ended = await apt('install', '--yes', '--download-only', packageName);
      demandSuccess(ended, `fetch ${packageName} of ${suite} from ${source.uri}`);
      // An interrupted run of another day may have left packages that are in no list any more.
      demandSuccess(await apt('autoclean'), 'throw away what is outdated');
      return join(folder, 'cache', 'archives');
    },
  };
};
