import { expect, test } from 'vitest';
import { deadLinks, importTableAsMarkdown, unknownCommands } from './documents.ts';
import { asLines, pathsOfTree, readTree } from './source-tree.ts';

const tree = readTree();

test('CONTRIBUTING.md shows the import table that is held', () => {
  expect(tree.find(({ path }) => path === 'CONTRIBUTING.md')?.text).toContain(importTableAsMarkdown());
});

test('every link between documents leads somewhere', () => {
  expect(asLines(deadLinks(tree, pathsOfTree()))).toEqual([]);
});

test('every npm command in a document exists', () => {
  expect(asLines(unknownCommands(tree))).toEqual([]);
});

test('a link that leads nowhere is found', () => {
  const text = '[a](a.md) [b](../b/) ![p](p.png) [c](c.md#part) [d](https://example.org/d.md) [e](#e)';
  const present = ['docs/deep/a.md', 'docs/deep/p.png', 'docs/b/b.md'];
  expect(asLines(deadLinks([{ path: 'docs/deep/x.md', text }], present))).toEqual([
    'docs/deep/x.md:1 links to c.md, which is not there',
  ]);
});

test('a command that does not exist is found', () => {
  const manifest = { path: 'package.json', text: '{"scripts":{"test":"","bench":""}}' };
  const text = 'Run `npm test`,\n`npm run bench -- a` and `npm run drill -- b` after `npm start`.';
  expect(asLines(unknownCommands([manifest, { path: 'README.md', text }]))).toEqual([
    'README.md:2 tells the reader to run drill, which package.json does not have',
    'README.md:2 tells the reader to run start, which package.json does not have',
  ]);
});
