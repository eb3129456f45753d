import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { inspect } from 'node:util';
import { z } from 'zod';

/** A text that prints, logs and serialises as `[secret]`. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself, for the one place that needs it. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

let baseFolder = '.';
/** @throws where there is no such file. */
let readText = (path: string): string => readFileSync(resolve(baseFolder, path), 'utf8');

/** Resolves file names in a configuration relative to this folder while `work` runs. */
export const withBaseFolder = <T>(folder: string, work: () => T): T => {
  const before = baseFolder;
  baseFolder = folder;
  try {
    return work();
  } finally {
    baseFolder = before;
  }
};

/**
 * Takes the files that a configuration names from somewhere else than the disk while `work` runs.
 *
 * @param read a file's text by the name in the configuration; throws where there is none.
 */
export const withFiles = <T>(read: (name: string) => string, work: () => T): T => {
  const before = readText;
  readText = read;
  try {
    return work();
  } finally {
    readText = before;
  }
};

// Longer than the paths that people give, shorter than any private key.
const PATH_LENGTH_MAX = 255;

/** A setting that names a file; its value is the file's content without the last line break. */
export const secretFile = (what: string) =>
  z
    .string()
    .min(1)
    .transform((path, context): Secret => {
      // Somebody has put the secret itself where its file belongs: it must not get into the error.
      if (path.length > PATH_LENGTH_MAX || path.includes('\n')) {
        context.addIssue({
          code: 'custom',
          message: 'is not the path of a file; it is not shown, in case it is the secret itself',
        });
        return z.NEVER;
      }
      try {
        const text = readText(path).replace(/\r?\n$/, '');
        if (text === '') context.addIssue({ code: 'custom', message: `the file ${path} is empty` });
        return new Secret(text);
      } catch {
        context.addIssue({ code: 'custom', message: `the file ${path} cannot be read` });
        return z.NEVER;
      }
    })
    .describe(`Path of a file that holds ${what}, relative to the configuration file.`);

/** A setting that names a folder of secrets which is read again while the program runs; its value is the absolute path. */
export const secretFolder = (what: string) =>
  z
    .string()
    .min(1)
    .max(PATH_LENGTH_MAX)
    .transform((path, context): string => {
      const folder = resolve(baseFolder, path);
      if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
        context.addIssue({ code: 'custom', message: `${path} is not a folder that can be read` });
      }
      return folder;
    })
    .describe(`Path of a folder that holds ${what}, relative to the configuration file.`);
