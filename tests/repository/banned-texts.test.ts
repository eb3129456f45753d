import { expect, test } from 'vitest';
import { emptyFileNames, findBanned } from './banned-texts.ts';
import { asLines, readTree } from './source-tree.ts';

const tree = readTree();
// The samples below are what they look for.
const judged = tree.filter(({ path }) => path !== 'tests/repository/banned-texts.test.ts');

test('the whole repository is read', () => {
  const paths = tree.map(({ path }) => path);
  for (const known of [
    'libs/domain/src/money.ts',
    'scripts/bootstrap.mjs',
    'package-lock.json',
    '.ci/run',
    'LICENSE',
  ]) {
    expect(paths).toContain(known);
  }
  expect(paths.filter((path) => /(?:^|\/)node_modules\/|^\.git\/|src\/gen\//.test(path))).toEqual([]);
});

test('no banned text stands anywhere', () => {
  expect(asLines(findBanned(judged))).toEqual([]);
});

test('no file has a name that says nothing', () => {
  expect(asLines(emptyFileNames(tree))).toEqual([]);
});

const source = 'libs/lane/src/a.ts';
const privateKey = ['-----BEGIN', 'PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF'].join(' ');

const BANNED: readonly (readonly [path: string, text: string])[] = [
  [source, 'const a = Date.now();'],
  [source, 'const a = [1].map(Date.now);'],
  [source, 'const a = new Date();'],
  [source, 'const a = new Date;'],
  [source, 'const a = performance.now();'],
  [source, 'process.hrtime.bigint();'],
  [source, 'setTimeout(f, 1);'],
  [source, 'const a = globalThis.setInterval(f, 1);'],
  [source, "import { setTimeout as wait } from 'node:timers/promises';"],
  ['services/cashier/src/a.ts', '`${Date.now()}`'],
  ['scripts/a.ts', 'Date.now()'],
  [source, 'Math.random()'],
  ['libs/lane/test/a.test.ts', 'Math.random()'],
  [source, "process.env['A']"],
  ['services/cashier/src/config.ts', 'process.env.A'],
  [source, 'console.log(1)'],
  ['services/cashier/src/main.ts', 'console.error(1)'],
  [source, 'const a = b as any;'],
  ['libs/lane/test/a.test.ts', 'f<any>(a);'],
  [source, '// @ts-ignore\nf();'],
  ['libs/lane/test/a.test.ts', "test.only('a', f);"],
  ['libs/lane/test/a.test.ts', "describe.concurrent.only('a', f);"],
  [source, '// TODO: later'],
  ['docs/a.md', 'FIXME'],
  ['package-lock.json', '"resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz"'],
  ['docs/a.md', 'See /work/a.md.'],
  ['scripts/a.ts', "readFileSync('/root/.npmrc')"],
  ['docs/a.md', 'cd /home/me/tillmesh'],
  ['libs/lane/test/key.pem', privateKey],
  [source, `const key = '${'MIIEvQIBADANBgkqhkiG9w0BAQEF'.padEnd(300, 'A')}';`],
];

for (const [path, text] of BANNED) {
  test(`it is found in ${path}: ${text.slice(0, 60)}`, () => {
    expect(findBanned([{ path, text }])).not.toEqual([]);
  });
}

const FINE: readonly (readonly [path: string, text: string])[] = [
  ['libs/clock/src/clock.ts', 'setTimeout(f, Date.now()); performance.now();'],
  [source, '// Date.now() would not do: the clock may be set back.'],
  [source, "const advice = 'do not use Date.now()';"],
  [source, 'const a = new Date(ms); const b = new Date(2026, 0);'],
  [source, 'const a: Date = b; f(newDate());'],
  [source, 'clearTimeout(a); socket.setTimeoutMs(1);'],
  ['services/cashier/src/main.ts', 'load(process.env)'],
  ['scripts/start.ts', 'console.log(process.env)'],
  [source, 'const a = b as Company; const anyone = 1;'],
  ['libs/lane/test/a.test.ts', '// @ts-expect-error A paid order cannot be paid again.\nf();'],
  ['libs/lane/test/a.test.ts', 'expect(map.only).toBe(1);'],
  ['docs/a.md', 'https://example.org/work/a and libs/work/a and ../root/a'],
  [source, 'const pem = `-----BEGIN PRIVATE KEY-----\\n${body}`;'],
];

for (const [path, text] of FINE) {
  test(`it is nothing in ${path}: ${text.slice(0, 60)}`, () => {
    expect(asLines(findBanned([{ path, text }]))).toEqual([]);
  });
}

test('a file name that says nothing is found', () => {
  const files = ['libs/a/src/utils.ts', 'libs/a/src/order-number.ts', 'libs/a/src/helpers.ts'].map((path) => ({
    path,
    text: '',
  }));
  expect(emptyFileNames(files).map(({ path }) => path)).toEqual(['libs/a/src/utils.ts', 'libs/a/src/helpers.ts']);
});
