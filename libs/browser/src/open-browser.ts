import { chromium, type Page } from 'playwright-core';
import { findChromium, MISSING_CHROMIUM } from './find-chromium.ts';

/** A page in a window of its own. */
export type BrowserPage = {
  readonly page: Page;
  /** Errors and warnings of its console, and errors that nobody caught. */
  readonly complaints: readonly string[];
  /** host:port of everything that it has asked. */
  readonly hosts: () => readonly string[];
  close(): Promise<void>;
};

export type PageOptions = {
  readonly url: string;
  /** Of the window, CSS pixels. */
  readonly width: number;
  readonly height: number;
  /** What the person's system is set to; light unless told. */
  readonly colorScheme?: 'light' | 'dark';
  /** What the browser calls itself; its own name unless told. */
  readonly userAgent?: string;
  /** A script that runs before any of the page's own. */
  readonly script?: string;
};

export type Browser = {
  /** @throws {Error} where the page does not load within 30 s. */
  open(options: PageOptions): Promise<BrowserPage>;
  close(): Promise<void>;
};

const START_MS_MAX = 30_000;

/**
 * Starts the machine's own Chromium without a screen; nothing is downloaded.
 *
 * @param env the starter's environment: Chromium is looked for in its PATH.
 * @throws {Error} where there is no Chromium.
 */
export const openBrowser = async (env: NodeJS.ProcessEnv): Promise<Browser> => {
  const executablePath = findChromium(env);
  if (executablePath === undefined) throw new Error(MISSING_CHROMIUM);
  const browser = await chromium.launch({
    executablePath,
    timeout: START_MS_MAX,
    // Containers run as root and have a small /dev/shm; the pages are our own. Text in colours makes pictures twice as large.
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--disable-lcd-text',
      '--disable-font-subpixel-positioning',
    ],
  });
  return {
    open: async ({ url, width, height, colorScheme = 'light', userAgent, script }) => {
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme,
        ...(userAgent === undefined ? {} : { userAgent }),
      });
      if (script !== undefined) await context.addInitScript(script);
      const page = await context.newPage();
      const complaints: string[] = [];
      const hosts = new Set<string>();
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('request', (request) => hosts.add(new URL(request.url()).host));
      await page.goto(url, { timeout: START_MS_MAX });
      return { page, complaints, hosts: () => [...hosts], close: () => context.close() };
    },
    close: () => browser.close(),
  };
};
