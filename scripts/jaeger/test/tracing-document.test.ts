import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../../run-program.ts';

/** Names of other things that look the same. */
const NO_ATTRIBUTES = new Set(['tillmesh.target', 'tillmesh.cashier']);

const namesIn = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, name = '']) => name);

test('the table of attributes has those that the code sets, and no others', () => {
  const sources = globSync('{libs,services}/*/src/**/*.ts', { cwd: root }).filter((file) => !file.includes('/gen/'));
  const set = new Set(
    sources
      .flatMap((file) => namesIn(readFileSync(join(root, file), 'utf8'), /'(tillmesh\.[a-z_]+)'/g))
      .filter((name) => !NO_ATTRIBUTES.has(name)),
  );
  const document = readFileSync(join(root, 'docs', 'tracing.md'), 'utf8');
  const told = new Set(namesIn(document.slice(document.indexOf('## Attributes')), /`(tillmesh\.[a-z_]+)`/g));
  expect([...told].toSorted()).toEqual([...set].toSorted());
});
