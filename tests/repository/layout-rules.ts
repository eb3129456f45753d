import { mask } from './masked.ts';
import { type Finding, lineAt, type SourceFile } from './source-tree.ts';

const functionHead = /^export (?:default )?(?:async )?function\b|^export (?:abstract )?class\b/gm;
const constHead = /^export const [\w$]+(?:: (?:[^=]|=>)+?)? = (?=(?:async )?[(<]|async [\w$]|[\w$]+ =>)/gm;

/** Whether what is assigned at this place is a function: a parameter list in brackets, followed by an arrow. */
const isArrow = (code: string, start: number): boolean => {
  let depth = 0;
  for (let index = start; index < code.length; index += 1) {
    const character = code.charAt(index);
    if ('([{'.includes(character)) depth += 1;
    if (')]}'.includes(character)) depth -= 1;
    if (depth === 0 && character === '=' && code[index + 1] === '>') return true;
    if (depth < 0 || (depth === 0 && character === ';')) return false;
  }
  return false;
};

const hasDocstring = (text: string, index: number): boolean => {
  const before = text.slice(0, index).trimEnd();
  return before.endsWith('*/') && before.lastIndexOf('/**') > before.slice(0, -2).lastIndexOf('*/');
};

/** Exported functions and classes without a docstring. */
export const undocumented = (files: readonly SourceFile[]): Finding[] =>
  files
    .filter(({ path }) => /^libs\/[^/]+\/src\/.*\.ts$/.test(path))
    .flatMap(({ path, text }) => {
      const { code } = mask(text);
      const heads = [
        ...code.matchAll(functionHead),
        ...[...code.matchAll(constHead)].filter((match) => isArrow(code, match.index + match[0].length)),
      ];
      const seen = new Set<string>();
      return heads
        .toSorted((a, b) => a.index - b.index)
        .flatMap((match) => {
          const name = /(?:function|class|const)\*? ([\w$]+)/.exec(code.slice(match.index))?.[1] ?? '';
          // Of a function with several signatures the first carries the text.
          const first = !seen.has(name);
          seen.add(name);
          return !first || hasDocstring(text, match.index)
            ? []
            : [{ path, line: lineAt(text, match.index), what: `${name} has no docstring` }];
        });
    });

/** Packages whose sources no test of their own runs, and why that is right. */
export const withoutTests: Readonly<Record<string, string>> = {
  'libs/proto': 'generated: the test that it is fresh is in this folder',
};

/** Libraries and services with sources and without tests. */
export const untested = (files: readonly SourceFile[]): Finding[] => {
  const folderOf = (path: string, inside: RegExp) =>
    inside.test(path) ? path.split('/').slice(0, 2).join('/') : undefined;
  const tested = new Set(files.map(({ path }) => folderOf(path, /^(?:libs|services)\/[^/]+\/test\/.*\.test\.ts$/)));
  const packages = files.flatMap(({ path }) => folderOf(path, /^(?:libs|services)\/[^/]+\/package\.json$/) ?? []);
  return packages
    .filter((folder) => !tested.has(folder) && !(folder in withoutTests))
    .map((folder) => ({ path: folder, line: 1, what: 'has no test in its folder test/' }));
};

/** Addresses in the lock file: they would bind every machine to one registry. Our own folders are links, which is right. */
export const lockedAddresses = (files: readonly SourceFile[]): Finding[] =>
  files
    .filter(({ path }) => path.endsWith('package-lock.json'))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/"resolved": "(?:[a-z+]+:)?\/\/[^"]*"|"resolved": "(?:git|file|https?)[^"]*"/g)].map(
        (match) => ({
          path,
          line: lineAt(text, match.index),
          what: `names where a package came from: ${match[0].slice(0, 60)}`,
        }),
      ),
    );
