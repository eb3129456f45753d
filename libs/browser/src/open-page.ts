import { chromium, type Page } from 'playwright-core';
import { findChromium, MISSING_CHROMIUM } from './find-chromium.ts';

/** A page in a browser of its own. */
export type BrowserPage = {
  readonly page: Page;
  /** Errors and warnings of its console, and errors that nobody caught. */
  readonly complaints: readonly string[];
  /** host:port of everything that it asked. */
  readonly hosts: () => readonly string[];
  close(): Promise<void>;
};

export type PageOptions = {
  readonly url: string;
  /** Of the window, CSS pixels. */
  readonly width: number;
  readonly height: number;
  readonly colorScheme?: 'light' | 'dark';
  /** The starter's environment: Chromium is looked for in its PATH. */
  readonly env: NodeJS.ProcessEnv;
};

const START_MS_MAX = 30_000;

/**
 * Opens a page in the machine's own Chromium, without a window; nothing is downloaded.
 *
 * @throws {Error} where there is no Chromium, or the page does not load within 30 s.
 */
export const openPage = async (options: PageOptions): Promise<BrowserPage> => {
  const { url, width, height, colorScheme = 'light', env } = options;
  const executablePath = findChromium(env);
  if (executablePath === undefined) throw new Error(MISSING_CHROMIUM);
  const browser = await chromium.launch({
    executablePath,
    timeout: START_MS_MAX,
    // Containers run as root and have a small /dev/shm; the page is our own.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
  try {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    const complaints: string[] = [];
    const hosts = new Set<string>();
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    await page.goto(url, { timeout: START_MS_MAX });
    return { page, complaints, hosts: () => [...hosts], close: () => browser.close() };
  } catch (error) {
    await browser.close();
    throw error;
  }
};
