import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { openBrowser, type PageOptions } from './open-browser.ts';

export type Screenshot = PageOptions & {
  /** Where the PNG is written. */
  readonly file: string;
  /** CSS selector of what has to be there first, and a text that has to be in it. */
  readonly waitFor?: { readonly selector: string; readonly text?: string };
  /** The starter's environment: Chromium is looked for in its PATH. */
  readonly env: NodeJS.ProcessEnv;
};

const WAIT_MS_MAX = 15_000;

/**
 * Writes what a window shows of a page into a PNG file.
 *
 * @throws {Error} where there is no Chromium, or what is waited for does not come within 15 s.
 */
export const takeScreenshot = async (options: Screenshot): Promise<void> => {
  const { file, waitFor, env } = options;
  const browser = await openBrowser(env);
  try {
    const { page } = await browser.open(options);
    if (waitFor !== undefined) {
      const { selector, text: hasText } = waitFor;
      const found = page.locator(selector, hasText === undefined ? {} : { hasText }).first();
      await found.waitFor({ timeout: WAIT_MS_MAX });
    }
    mkdirSync(dirname(file), { recursive: true });
    await page.screenshot({ path: file, animations: 'disabled' });
  } finally {
    await browser.close();
  }
};
