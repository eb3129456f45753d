export { findChromium, MISSING_CHROMIUM } from './find-chromium.ts';
export { type Browser, type BrowserPage, openBrowser, type PageOptions } from './open-browser.ts';
export { type Screenshot, takeScreenshot } from './take-screenshot.ts';
