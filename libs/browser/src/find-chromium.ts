import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'];

/** What to tell whoever has no Chromium. */
export const MISSING_CHROMIUM =
  'Chromium is not installed. On Debian and Ubuntu: apt-get install --no-install-recommends chromium fonts-dejavu-core';

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Path of the machine's Chromium or Chrome; undefined where PATH has none. */
export const findChromium = (env: NodeJS.ProcessEnv): string | undefined => {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return PROGRAMS.flatMap((program) => folders.map((folder) => join(folder, program))).find(isProgram);
};
