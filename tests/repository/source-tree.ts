import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of the repository: its path from the root with forward slashes, and its text. */
export type SourceFile = { readonly path: string; readonly text: string };

/** Something that breaks a rule of the repository. */
export type Finding = { readonly path: string; readonly line: number; readonly what: string };

/** The checkout's folder. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');

// What git ignores, git itself, and generated code, whose rules are the generator's.
const foldersLeftOut = new Set(['node_modules', '.git', '.tools', '.local', '.results', 'libs/proto/src/gen']);

const walk = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    // In a second worktree .git is a file.
    if (entry.isFile()) return entry.name === '.git' ? [] : [path];
    if (!entry.isDirectory()) return [];
    return foldersLeftOut.has(entry.name) || foldersLeftOut.has(relative(root, path).split(sep).join('/'))
      ? []
      : walk(path);
  });

/** The path of every file of the repository, pictures included. */
export const pathsOfTree = (): string[] => walk(root).map((path) => relative(root, path).split(sep).join('/'));

/** Every text file of the repository, committed or about to be. */
export const readTree = (): SourceFile[] =>
  pathsOfTree()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
    .filter(({ text }) => !text.includes('\0'))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));

/** The line, from 1, of a place in a text. */
export const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length;

/** Findings as a person reads them in a failed test. */
export const asLines = (findings: readonly Finding[]): string[] =>
  findings.map(({ path, line, what }) => `${path}:${line} ${what}`);
