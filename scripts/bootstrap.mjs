#!/usr/bin/env node
// Makes a fresh checkout able to run: `node scripts/bootstrap.mjs [--servers] [--browser | --page-tests] <script.ts> [arguments…]`.
//
// Every npm script goes through this file, so that it may be the first command typed. It therefore depends on nothing
// but Node 18 or newer: it gets the Node that the project runs on, the dependencies, with --servers MariaDB and Redis, and
// Chromium with --browser, or with --page-tests where the arguments ask for tests that open a page. It says nothing where
// nothing is to do, and then runs the script.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installBrowser, lacksBrowser, wantsPageTests } from './bootstrap/browser.mjs';
import { exitWithChildren, runToEnd } from './bootstrap/children.mjs';
import { dependenciesAreFresh, installDependencies } from './bootstrap/dependencies.mjs';
import { withInstallLock } from './bootstrap/install-lock.mjs';
import { findNode24, installNode24 } from './bootstrap/node24.mjs';
import { BootstrapError } from './bootstrap/progress.mjs';
import { pathWith } from './bootstrap/search-path.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const main = async () => {
  const [major] = process.versions.node.split('.').map(Number);
  if (major < 18)
    throw new BootstrapError(`Node ${process.versions.node} is too old to start from: install Node 18 or newer.`);

  const words = process.argv.slice(2);
  const place = words.findIndex((word) => !word.startsWith('--'));
  const wishes = words.slice(0, place);
  const [script, ...scriptArguments] = place < 0 ? [] : words.slice(place);
  if (script === undefined) {
    throw new BootstrapError(
      'Usage: node scripts/bootstrap.mjs [--servers] [--browser | --page-tests] <script.ts> [arguments…]',
    );
  }

  const servers = wishes.includes('--servers') ? await import('./bootstrap/servers.mjs') : undefined;
  const wantsBrowser =
    wishes.includes('--browser') || (wishes.includes('--page-tests') && wantsPageTests(scriptArguments));
  const isReady = () => {
    const node = findNode24(root);
    return (
      node !== undefined &&
      dependenciesAreFresh(root, node) &&
      (servers?.missingServers().length ?? 0) === 0 &&
      !(wantsBrowser && lacksBrowser())
    );
  };
  // The lock is taken only when something is missing; inside it every step looks again, because whoever held the
  // lock before us has probably done the work.
  if (!isReady()) {
    await withInstallLock(root, async () => {
      const node = findNode24(root) ?? (await installNode24(root));
      if (!dependenciesAreFresh(root, node)) await installDependencies(root, node);
      await servers?.installServers(servers.missingServers());
      if (wantsBrowser) await installBrowser();
    });
  }

  const node = findNode24(root);
  return runToEnd(node.path, [join(root, script), ...scriptArguments], {
    cwd: root,
    env: {
      ...process.env,
      PATH: pathWith({
        first: [...node.folders, join(root, 'node_modules', '.bin')],
        last: servers?.serverFolders() ?? [],
      }),
    },
  });
};

exitWithChildren();
try {
  process.exitCode = await main();
} catch (error) {
  // A problem that we foresaw is told in words; anything else is a bug of ours and keeps its stack.
  console.error(error instanceof BootstrapError ? `\n${error.message}` : error);
  process.exitCode = 1;
}
