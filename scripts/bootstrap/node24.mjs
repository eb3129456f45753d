// The Node that runs the project: the one that runs us where it will do, otherwise the platform's npm package in .tools.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { runQuietly } from './children.mjs';
import { npmEnvironment, npmFlags, tailOf } from './npm.mjs';
import { BootstrapError, step } from './progress.mjs';
import { folderOf } from './search-path.mjs';

const platform = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const nodePackage = `node-${platform}`;

const toolFolder = (root) => join(root, '.tools', 'node24');
const pinsFolder = (root) => join(root, 'scripts', 'node24');
const binaryIn = (folder) =>
  join(folder, 'node_modules', nodePackage, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
const npmIn = (folder) => join(folder, 'node_modules', 'npm', 'bin', 'npm-cli.js');

const textOf = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

/** The lock file is copied into the tool folder last, so it stands there only after a whole installation. */
const toolsAreFresh = (root) =>
  textOf(join(toolFolder(root), 'package-lock.json')) === textOf(join(pinsFolder(root), 'package-lock.json'));

const pins = (root) => {
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(pinsFolder(root), 'package.json'), 'utf8'),
  );
  return { npm: dependencies.npm, node: optionalDependencies[nodePackage] };
};

// 24.18 is the oldest for which every platform has a package, so it is the oldest that is tested.
const runningNodeWillDo = () => {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major === 24 && minor >= 18;
};

/**
 * The Node to run the project with; undefined where it has to be installed first.
 *
 * @returns {{ path: string, version: string, folders: string[] } | undefined} `folders` go in front of PATH.
 */
export const findNode24 = (root) => {
  if (runningNodeWillDo()) {
    const folder = dirname(process.execPath);
    const name = basename(process.execPath);
    const found = folderOf(name);
    // Where PATH leads to the same Node already, it is left alone: /usr/bin in front would change which tools are found.
    return {
      path: process.execPath,
      version: process.versions.node,
      folders: found !== undefined && realpathSync(join(found, name)) === process.execPath ? [] : [folder],
    };
  }
  const folder = toolFolder(root);
  const { node: version } = pins(root);
  if (version === undefined || !toolsAreFresh(root) || !existsSync(binaryIn(folder))) return undefined;
  return { path: binaryIn(folder), version, folders: [join(folder, 'node_modules', '.bin')] };
};

const howToGetNode = () =>
  [
    `Tillmesh runs on Node 24.18 or newer of the 24 line; this machine has ${process.versions.node}, and npm has no Node 24 for ${platform}.`,
    process.platform === 'darwin'
      ? 'Install it with `brew install node@24` and put it first on PATH (`brew info node@24` shows the line), or with nvm: `nvm install 24`.'
      : 'Install it from nodejs.org or with your package manager and put it first on PATH.',
    'Then run the same command again.',
  ].join('\n');

/** The npm that started us, else the one on PATH. yarn and pnpm set the same variable to themselves. */
const anyNpm = () => {
  const path = process.env.npm_execpath;
  return path !== undefined && basename(path) === 'npm-cli.js' && existsSync(path)
    ? { program: process.execPath, words: [path], options: {} }
    : { program: 'npm', words: [], options: { shell: process.platform === 'win32' } };
};

/** What an installation that was killed left behind; the lock says that it is nobody's now. */
const removeLeftovers = (root) => {
  for (const name of readdirSync(join(root, '.tools'))) {
    if (/^(?:node24|old)-\d+$/.test(name)) rmSync(join(root, '.tools', name), { recursive: true, force: true });
  }
};

const install = async (root, words) => {
  removeLeftovers(root);
  const fresh = join(root, '.tools', `node24-${process.pid}`);
  mkdirSync(fresh, { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) cpSync(join(pinsFolder(root), name), join(fresh, name));
  const npm = anyNpm();
  const { status, output } = await runQuietly(npm.program, [...npm.words, 'ci', ...npmFlags, ...words], {
    ...npm.options,
    cwd: fresh,
    env: npmEnvironment(),
  }).catch((error) => ({ status: 1, output: String(error) }));
  if (status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    throw new BootstrapError(
      `npm could not install Node 24:\n${tailOf(output)}\nWhen the registry can be reached, run the same command again.`,
    );
  }
  return fresh;
};

/** Puts the new folder in the place of the old one without a moment in which a running program misses a file for long. */
const putInPlace = (root, fresh) => {
  const old = join(root, '.tools', `old-${process.pid}`);
  if (existsSync(toolFolder(root))) renameSync(toolFolder(root), old);
  renameSync(fresh, toolFolder(root));
  rmSync(old, { recursive: true, force: true });
};

/** Gets Node 24 and the pinned npm into .tools/node24. */
export const installNode24 = async (root) => {
  const { node, npm } = pins(root);
  if (node === undefined) throw new BootstrapError(howToGetNode());
  await step(
    `Getting Node ${node} and npm ${npm} into .tools (once, 60 MB; this machine has Node ${process.versions.node})`,
    async () => {
      const fresh = await install(root, ['--include=optional']);
      const { status, output } = await runQuietly(binaryIn(fresh), ['--version']).catch((error) => ({
        status: 1,
        output: String(error),
      }));
      if (status !== 0) {
        // A system with another C library (Alpine's musl) refuses the binary.
        rmSync(fresh, { recursive: true, force: true });
        throw new BootstrapError(
          `The Node of npm's package ${nodePackage} does not run here: ${tailOf(output)}\n${howToGetNode()}`,
        );
      }
      putInPlace(root, fresh);
    },
  );
  return findNode24(root);
};

/** The command line of the pinned npm, so that every machine installs with the same one; gets it where it is missing. */
export const pinnedNpm = async (root, node) => {
  const path = npmIn(toolFolder(root));
  if (!toolsAreFresh(root) || !existsSync(path)) {
    await step(`Getting npm ${pins(root).npm} into .tools (once, 3 MB)`, async () => {
      // Node itself stays away only where nobody has asked for it: the one that runs us may be the one in .tools.
      const hasNode = existsSync(binaryIn(toolFolder(root)));
      putInPlace(root, await install(root, [hasNode ? '--include=optional' : '--omit=optional']));
    });
  }
  return { program: node.path, words: [path] };
};
