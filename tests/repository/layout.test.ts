import { expect, test } from 'vitest';
import { lockedAddresses, undocumented, untested } from './layout-rules.ts';
import { asLines, readTree } from './source-tree.ts';

const tree = readTree();

test('every exported function and class of a library has a docstring', () => {
  expect(asLines(undocumented(tree))).toEqual([]);
});

test('every library and service has tests of its own', () => {
  expect(asLines(untested(tree))).toEqual([]);
});

test('the lock files name versions and hashes, never where a package came from', () => {
  expect(asLines(lockedAddresses(tree))).toEqual([]);
});

const path = 'libs/lane/src/a.ts';

const BARE: readonly string[] = [
  'export const f = (a: number): number => a;',
  'export const f = async (a: number) => {\n  return a;\n};',
  'export const f = <T>(a: T): T => a;',
  'export const f = a => a;',
  'export const f: Clock["now"] = (a, b) => a;',
  'export const f: (a: number) => number = (a) => a;',
  'export function f() {}',
  'export async function* f() {}',
  'export class F {}',
  '// Not a docstring.\nexport function f() {}',
  '/** Of a. */\nconst a = 1;\nexport function f() {}',
];

for (const text of BARE) {
  test(`it is found that this has no docstring: ${text.split('\n').at(-1)}`, () => {
    expect(undocumented([{ path, text }])).toHaveLength(1);
  });
}

const DOCUMENTED: readonly string[] = [
  '/** Adds. */\nexport const f = (a: number): number => a;',
  '/**\n * Adds.\n */\nexport function f(a: string): void;\nexport function f(a: number): void;',
  'export const limit = 3;',
  'export const lanes = createLane((a) => a);',
  'export const sum = (1 + 2) * 3;',
  'const f = () => 1;',
  'export type F = () => void;',
  'const text = `\nexport function f() {}\n`;',
];

for (const text of DOCUMENTED) {
  test(`it is nothing that ${text.split('\n').at(-1)} stands as it does`, () => {
    expect(asLines(undocumented([{ path, text }]))).toEqual([]);
  });
}

test('a library without tests is found', () => {
  const files = ['libs/a/package.json', 'libs/a/src/a.ts', 'libs/b/package.json', 'libs/b/test/b.test.ts'].map(
    (file) => ({
      path: file,
      text: '',
    }),
  );
  expect(asLines(untested(files))).toEqual(['libs/a:1 has no test in its folder test/']);
});

test('an address in a lock file is found, a link to a folder of ours is not', () => {
  const text =
    '"resolved": "https://example.org/a.tgz",\n"resolved": "libs/clock",\n"resolved": "git+ssh://git@example.org/a.git"';
  expect(lockedAddresses([{ path: 'package-lock.json', text }]).map(({ line }) => line)).toEqual([1, 3]);
});
