// Chromium for what looks at the live page: its tests, and pictures of it. Nothing else needs it, so its absence ends nothing:
// the tests of the page are skipped and say so.

import { aptInstall, isRootWithApt } from './apt.mjs';
import { tailOf } from './npm.mjs';
import { say, step } from './progress.mjs';
import { folderOf } from './search-path.mjs';

// The same names as in libs/browser.
const programs = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'];
// Without a font every letter is an empty box.
const debianPackages = ['chromium', 'fonts-dejavu-core'];
const testsOfPages = ['services/watch', 'tests/mesh/one-code'];

/** Whether a browser is missing that we can install. */
export const lacksBrowser = () => isRootWithApt() && programs.every((program) => folderOf(program) === undefined);

/** Whether these words after `npm test --` ask for tests that open a page: all tests, or a path of theirs. */
export const wantsPageTests = (words) =>
  words.length === 0 || words.some((word) => testsOfPages.some((path) => word.includes(path) || path.startsWith(word)));

/** Installs Chromium; where that fails it is said, and everything else goes on. */
export const installBrowser = async () => {
  if (!lacksBrowser()) return;
  await step('Installing Chromium with apt-get (once; for tests and pictures of the live page)', async () => {
    const { output } = await aptInstall(debianPackages);
    if (lacksBrowser()) say(`${tailOf(output)}\n  Chromium could not be installed: what needs it is skipped.`);
  });
};
