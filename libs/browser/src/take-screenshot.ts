import { openPage, type PageOptions } from './open-page.ts';

export type Screenshot = PageOptions & {
  /** Where the PNG is written. */
  readonly file: string;
  /** CSS selector of what has to be there first. */
  readonly waitFor?: string;
  /** Text that has to be in it as well. */
  readonly text?: string;
};

const WAIT_MS_MAX = 15_000;

/**
 * Writes what a window shows of a page into a PNG file.
 *
 * @throws {Error} where there is no Chromium, or what is waited for does not come within 15 s.
 */
export const takeScreenshot = async (options: Screenshot): Promise<void> => {
  const { file, waitFor, text } = options;
  const opened = await openPage(options);
  try {
    if (waitFor !== undefined) {
      const found = opened.page.locator(waitFor, text === undefined ? {} : { hasText: text }).first();
      await found.waitFor({ timeout: WAIT_MS_MAX });
    }
    await opened.page.screenshot({ path: file, animations: 'disabled' });
  } finally {
    await opened.close();
  }
};
