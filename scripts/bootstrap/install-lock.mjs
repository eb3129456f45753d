// Two commands typed at once (`npm start` and `npm test`) must not install into one folder at once.

import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BootstrapError, say } from './progress.mjs';

const heartbeatMs = 1_000;
// A holder that was killed cannot remove its lock. Ten missed heartbeats are more than a busy machine makes.
const staleAfterMs = 10_000;
const lookAgainMs = 250;

const codeOf = (error) => error?.code;

const take = (path) => {
  try {
    writeFileSync(path, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    if (codeOf(error) === 'EACCES' || codeOf(error) === 'EROFS') {
      throw new BootstrapError(
        `Something has to be installed into this checkout, but ${path} cannot be written: use the account that owns the checkout.`,
      );
    }
    throw error;
  }
};

/** Something that differs after every heartbeat; undefined where there is no lock. */
const heartbeatOf = (path) => {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? undefined : `${stats.ino} ${stats.mtimeMs}`;
};

const holderOf = (path) => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
};

const removeStale = (path) => {
  const aside = `${path}.stale-${process.pid}`;
  try {
    // A rename has one winner among those who found the lock stale at the same moment.
    renameSync(path, aside);
    rmSync(aside, { force: true });
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
};

const waitForLock = async (path) => {
  let seen;
  let seenAtMs = 0;
  let told = false;
  while (!take(path)) {
    const heartbeat = heartbeatOf(path);
    if (heartbeat !== seen) {
      // Only our own clock measures the silence, so it does not matter whose clock wrote the file's time.
      seen = heartbeat;
      seenAtMs = performance.now();
    } else if (heartbeat !== undefined && performance.now() - seenAtMs > staleAfterMs) {
      removeStale(path);
      continue;
    }
    if (!told) {
      told = true;
      say(`• Waiting for process ${holderOf(path)}, which is installing into this checkout`);
    }
    await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
  }
};

/**
 * Runs `work` while no other bootstrap of this checkout does.
 *
 * @template T
 * @param {string} root the checkout
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export const withInstallLock = async (root, work) => {
  const path = join(root, '.tools', 'install.lock');
  mkdirSync(join(root, '.tools'), { recursive: true });
  await waitForLock(path);
  const release = () => rmSync(path, { force: true });
  process.once('exit', release);
  const timer = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      // Somebody removed .tools by hand; the installation itself will say so.
    }
  }, heartbeatMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    process.removeListener('exit', release);
    release();
  }
};
