// The npm dependencies: installed again when the lock file or Node has changed, never otherwise.

import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runQuietly } from './children.mjs';
import { pinnedNpm } from './node24.mjs';
import { npmEnvironment, npmFlags, tailOf } from './npm.mjs';
import { BootstrapError, step } from './progress.mjs';

const modulesFolder = (root) => join(root, 'node_modules');
// Inside node_modules, so that whoever deletes that folder deletes the claim with it.
const markerPath = (root) => join(modulesFolder(root), '.tillmesh-installed');

/** What the present lock file and Node should leave behind. */
const markerText = (root, node) => {
  const lockHash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return `${lockHash} node ${node.version} ${process.platform}-${process.arch}\n`;
};

const installedText = (root) => {
  try {
    return readFileSync(markerPath(root), 'utf8');
  } catch {
    return '';
  }
};

/** Whether node_modules is what package-lock.json says. */
export const dependenciesAreFresh = (root, node) => installedText(root) === markerText(root, node);

/**
 * The packages in node_modules that are not those of the lock file. `npm ci` would look before it installs, but it
 * also refuses a lock file that lacks a package of some other platform which the registry does not have, and
 * registries that mirror only a part of npm's packages are common. So we install leniently and judge what came.
 */
const strangers = (root) => {
  const packagesOf = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  const locked = packagesOf('package-lock.json');
  return Object.entries(packagesOf('node_modules/.package-lock.json'))
    .filter(([path, { version, integrity, optional, link }]) => {
      const lock = locked[path];
      // What only other platforms need is optional and, where the lock file does not know it, fixed by its parent's exact version.
      if (lock === undefined) return optional !== true;
      return (
        link !== true && path.includes('node_modules/') && (lock.version !== version || lock.integrity !== integrity)
      );
    })
    .map(([path, { version }]) => `${path} ${version ?? ''}`.trim());
};

/** Installs exactly what package-lock.json names, with the pinned npm under Node 24. */
export const installDependencies = async (root, node) => {
  const npm = await pinnedNpm(root, node);
  const before = installedText(root);
  // After an installation that was cut short anything may be missing, so it starts from nothing; otherwise npm only
  // changes what differs, and whoever runs from this folder at the moment is not left without it.
  rmSync(before === '' ? modulesFolder(root) : markerPath(root), { recursive: true, force: true });
  await step(
    `Installing the npm packages (${before === '' ? 'once' : 'package-lock.json or Node has changed'})`,
    async () => {
      // NODE_ENV=production or omit=dev in somebody's settings must not leave the tools out.
      const words = [...npm.words, 'install', '--no-save', ...npmFlags, '--include=dev', '--include=optional'];
      const { status, output } = await runQuietly(npm.program, words, { cwd: root, env: npmEnvironment() });
      if (status !== 0) {
        throw new BootstrapError(
          `npm install failed:\n${tailOf(output)}\nWhen what it says is mended, run the same command again.`,
        );
      }
      const found = strangers(root);
      if (found.length > 0) {
        throw new BootstrapError(
          [
            `npm installed packages that package-lock.json does not name: ${found.slice(0, 10).join(', ')}.`,
            'A package.json has changed without the lock file: run `npm install` with Node 24 and commit both.',
          ].join('\n'),
        );
      }
      writeFileSync(markerPath(root), markerText(root, node));
    },
  );
};
