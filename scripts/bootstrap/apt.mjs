// Debian's packages, installed as root without a question and without starting anything.

import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { runQuietly } from './children.mjs';
import { folderOf } from './search-path.mjs';

const policyPath = '/usr/sbin/policy-rc.d';

/**
 * Runs `work` while Debian's packages may not start services: redis-server's would open port 6379 and stay. A policy
 * that exists already is the administrator's and is left alone.
 */
const withoutServiceStart = async (work) => {
  if (existsSync(policyPath)) return work();
  const remove = () => rmSync(policyPath, { force: true });
  process.once('exit', remove);
  writeFileSync(policyPath, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return await work();
  } finally {
    process.removeListener('exit', remove);
    remove();
  }
};

// Somebody else's apt (unattended upgrades on a fresh machine) may hold dpkg's lock for minutes.
const apt = (...words) =>
  runQuietly('apt-get', ['-o', 'DPkg::Lock::Timeout=180', ...words], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
  });

const listsExist = () => {
  try {
    return readdirSync('/var/lib/apt/lists').some((name) => /_Packages(?:\.|$)/.test(name));
  } catch {
    return false;
  }
};

/** Whether packages can be installed without asking anybody. */
export const isRootWithApt = () => process.getuid?.() === 0 && folderOf('apt-get') !== undefined;

/**
 * Installs packages; none of their services is started.
 *
 * @returns {Promise<{ status: number, output: string }>}
 */
export const aptInstall = (packages) =>
  withoutServiceStart(async () => {
    const install = () => apt('install', '-y', '--no-install-recommends', ...packages);
    if (listsExist()) {
      const first = await install();
      if (first.status === 0) return first;
    }
    // No lists, or lists so old that they name packages which the mirrors no longer have.
    const update = await apt('update');
    return update.status === 0 ? install() : update;
  });
