import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findChromium, MISSING_CHROMIUM, openBrowser } from '../src/index.ts';

const aFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-browser-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
};

test('Chromium is found in PATH under each of its names, and only where it can be run', () => {
  const [first, second] = [aFolder(), aFolder()];
  writeFileSync(join(first, 'chromium'), '');
  writeFileSync(join(second, 'google-chrome'), '');
  chmodSync(join(second, 'google-chrome'), 0o755);
  expect(findChromium({ PATH: [first, second].join(delimiter) })).toBe(join(second, 'google-chrome'));
});

test('where there is none, it is said how to get one', async () => {
  expect(findChromium({ PATH: aFolder() })).toBeUndefined();
  expect(findChromium({})).toBeUndefined();
  await expect(openBrowser({ PATH: aFolder() })).rejects.toThrow(MISSING_CHROMIUM);
});
