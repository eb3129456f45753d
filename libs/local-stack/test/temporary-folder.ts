import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { afterEach } from 'vitest';
import { pollUntil } from '../src/waiting.ts';

const folders: string[] = [];

/** A folder that is removed after the test. */
export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-stack-'));
  folders.push(folder);
  return folder;
};

/** Removes the folders of a test file's tests. */
export const removeFoldersAfterEach = (): void => {
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
};

/** Waits until the question has an answer that is not undefined; fails after `withinMs`. */
export const eventually = async <T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  withinMs = 20_000,
): Promise<T> => {
  const answer = await pollUntil({ clock: systemClock, everyMs: 20, withinMs, probe });
  if (answer === 'late') throw new Error(`${what}: not within ${withinMs} ms`);
  return answer;
};
