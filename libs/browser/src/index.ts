export { findChromium, MISSING_CHROMIUM } from './find-chromium.ts';
export { type BrowserPage, openPage, type PageOptions } from './open-page.ts';
export { type Screenshot, takeScreenshot } from './take-screenshot.ts';
