import { posix } from 'node:path';
import { importTable, testsMayImport } from './import-table.ts';
import { type Finding, lineAt, type SourceFile } from './source-tree.ts';

/** The import table as Markdown, for CONTRIBUTING.md. */
export const importTableAsMarkdown = (): string => {
  const row = (folder: string, names: readonly string[]) =>
    `| \`${folder}\` | ${names.length === 0 ? 'nobody' : names.map((name) => `\`${name}\``).join(', ')} |`;
  return [
    '| sources of | may import, of ours |',
    '| --- | --- |',
    ...Object.entries(importTable).map(([folder, names]) => row(folder, names)),
    `| tests of a package | its row, the libraries among its \`devDependencies\`, and ${testsMayImport.map((name) => `\`${name}\``).join(', ')} |`,
  ].join('\n');
};

const isDocument = ({ path }: SourceFile) => path.endsWith('.md');

/** Links to files of the repository that are not there; `present` are the paths of all that are. */
export const deadLinks = (files: readonly SourceFile[], present: readonly string[]): Finding[] => {
  const paths = new Set(present);
  const exists = (path: string) =>
    path === '.' || paths.has(path) || [...paths].some((each) => each.startsWith(`${path}/`));
  return files.filter(isDocument).flatMap(({ path, text }) =>
    [...text.matchAll(/\]\((?!\w+:|#)([^)\s#]+)(?:#[^)\s]*)?\)/g)]
      .filter((match) => !exists(posix.join(posix.dirname(path), match[1] ?? '').replace(/\/$/, '')))
      .map((match) => ({
        path,
        line: lineAt(text, match.index),
        what: `links to ${match[1] ?? ''}, which is not there`,
      })),
  );
};

/** `npm` commands in documents for which package.json has no script. */
export const unknownCommands = (files: readonly SourceFile[]): Finding[] => {
  const manifest = files.find(({ path }) => path === 'package.json');
  const { scripts = {} } = JSON.parse(manifest?.text ?? '{}') as {
    readonly scripts?: Readonly<Record<string, string>>;
  };
  return files.filter(isDocument).flatMap(({ path, text }) =>
    [...text.matchAll(/\bnpm (?:run ([\w:-]+)|(start|stop|test)\b)/g)]
      .map((match) => ({ name: match[1] ?? match[2] ?? '', line: lineAt(text, match.index) }))
      .filter(({ name }) => !(name in scripts))
      .map(({ name, line }) => ({
        path,
        line,
        what: `tells the reader to run ${name}, which package.json does not have`,
      })),
  );
};
