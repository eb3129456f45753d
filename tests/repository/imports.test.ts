import { expect, test } from 'vitest';
import { forbiddenImports, importsOf, looseVersions, unusedDependencies } from './import-rules.ts';
import { importTable, rowKeyOf } from './import-table.ts';
import { packagesOf } from './packages.ts';
import { asLines, readTree, type SourceFile } from './source-tree.ts';

const tree = readTree();

test('every import is allowed by the table, exported by its package and declared by its importer', () => {
  expect(asLines(forbiddenImports(tree))).toEqual([]);
});

test('every declared dependency is imported', () => {
  expect(asLines(unusedDependencies(tree))).toEqual([]);
});

test('every dependency is one exact version', () => {
  expect(asLines(looseVersions(tree))).toEqual([]);
});

test('the table has a row for every library and service and for nothing else', () => {
  const folders = packagesOf(tree)
    .map(({ folder }) => folder)
    .filter((folder) => folder !== '');
  expect(Object.keys(importTable).toSorted()).toEqual([...new Set(folders.map(rowKeyOf))].toSorted());
});

test('no library may know itself by way of others', () => {
  const reached = (name: string): ReadonlySet<string> => {
    const known = new Set<string>();
    const waiting = [name];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      for (const library of importTable[`libs/${next}`] ?? []) {
        if (!known.has(library)) waiting.push(library);
        known.add(library);
      }
    }
    return known;
  };
  const names = Object.keys(importTable).flatMap((folder) => /^libs\/(.+)$/.exec(folder)?.[1] ?? []);
  expect(names.filter((name) => reached(name).has(name))).toEqual([]);
});

const manifest = (name: string, rest: object = {}) => JSON.stringify({ name: `@tillmesh/${name}`, ...rest });

/** A repository in small: a file put into it is judged as it would be in the real one. */
const withFile = (...files: readonly SourceFile[]): SourceFile[] => [
  { path: 'package.json', text: JSON.stringify({ name: 'tillmesh', devDependencies: { vitest: '5.1.1' } }) },
  { path: 'libs/domain/package.json', text: manifest('domain', { exports: { '.': './src/index.ts' } }) },
  { path: 'libs/clock/package.json', text: manifest('clock', { exports: { '.': './src/index.ts' } }) },
  { path: 'libs/proto/package.json', text: manifest('proto', { exports: { './*': './src/gen/*' } }) },
  {
    path: 'services/cashier/package.json',
    text: manifest('cashier', {
      dependencies: { '@tillmesh/domain': '0.1.0', '@tillmesh/proto': '0.1.0', zod: '4.6.7' },
      devDependencies: { 'fast-check': '4.10.2' },
    }),
  },
  { path: 'services/query/package.json', text: manifest('query') },
  ...files,
];

const FORBIDDEN: readonly (readonly [what: string, path: string, text: string])[] = [
  ['the domain knows the clock', 'libs/domain/src/a.ts', "import { systemClock } from '@tillmesh/clock';"],
  ['a service knows a service', 'services/cashier/src/a.ts', "import { b } from '@tillmesh/query';"],
  ['a service reaches into a service', 'services/cashier/src/a.ts', "import { b } from '../../query/src/b.ts';"],
  ['a library reaches into a service', 'libs/domain/src/a.ts', "export * from '../../../services/query/src/b.ts';"],
  ['a package reaches past the exports', 'services/cashier/src/a.ts', "import { b } from '@tillmesh/domain/src/b.ts';"],
  ['a test reaches into another package', 'services/cashier/test/a.test.ts', "import '../../../libs/domain/src/b.ts';"],
  ['a script reaches into a package', 'scripts/a.ts', "import { b } from '../libs/domain/src/b.ts';"],
  ['a source knows a test', 'services/cashier/src/a.ts', "import { b } from '../test/b.ts';"],
  ['a type counts as an import', 'libs/domain/src/a.ts', "import type { Clock } from '@tillmesh/clock';"],
  [
    'an import on many lines counts',
    'libs/domain/src/a.ts',
    "import {\n  type Clock,\n  b as c,\n} from '@tillmesh/clock';",
  ],
  ['a dynamic import counts', 'libs/domain/src/a.ts', "const a = await import('@tillmesh/clock');"],
  ['an undeclared package', 'services/cashier/src/a.ts', "import { b } from 'undici';"],
  ['an undeclared package of ours', 'services/cashier/src/a.ts', "import { b } from '@tillmesh/clock';"],
  ['a source uses what is for tests', 'services/cashier/src/a.ts', "import fc from 'fast-check';"],
  ['a source uses what is for all tests', 'services/cashier/src/a.ts', "import { test } from 'vitest';"],
  ['a package of ours that does not exist', 'services/cashier/src/a.ts', "import { b } from '@tillmesh/nobody';"],
  ['a relative import without its ending', 'services/cashier/src/a.ts', "import { b } from './b';"],
];

for (const [what, path, text] of FORBIDDEN) {
  test(`it is found when ${what}`, () => {
    expect(forbiddenImports(withFile({ path, text }))).toMatchObject([{ path }]);
  });
}

const ALLOWED: readonly (readonly [what: string, path: string, text: string])[] = [
  ['a service knows the domain', 'services/cashier/src/a.ts', "import { b } from '@tillmesh/domain';"],
  ['a subpath is exported', 'services/cashier/src/a.ts', "import { b } from '@tillmesh/proto/tillmesh/a_pb.ts';"],
  ['a declared package', 'services/cashier/src/a.ts', "import { z } from 'zod';"],
  ['a module of Node', 'libs/domain/src/a.ts', "import { createHash } from 'node:crypto';"],
  ['a test uses what is for tests', 'services/cashier/test/a.test.ts', "import fc from 'fast-check';"],
  ['a test moves the clock', 'libs/domain/test/a.test.ts', "import { ManualClock } from '@tillmesh/clock';"],
  ['a script knows a library', 'scripts/a.ts', "import { systemClock } from '@tillmesh/clock';"],
  ['an import in a comment', 'libs/domain/src/a.ts', "// import { systemClock } from '@tillmesh/clock';"],
];

for (const [what, path, text] of ALLOWED) {
  test(`it is nothing when ${what}`, () => {
    expect(asLines(forbiddenImports(withFile({ path, text })))).toEqual([]);
  });
}

test('a dependency that nothing imports is found, and one that only tests import', () => {
  const files = withFile(
    { path: 'services/cashier/src/a.ts', text: "import '@tillmesh/domain';\nimport '@tillmesh/proto/a_pb.ts';" },
    { path: 'services/cashier/test/a.test.ts', text: "import { z } from 'zod';\nimport 'vitest';" },
  );
  expect(asLines(unusedDependencies(files))).toEqual([
    'services/cashier/package.json:1 declares zod, which no source of it imports',
    'services/cashier/package.json:1 declares fast-check for development, which nothing imports',
  ]);
});

test('a range of versions is found, and a dependency of another kind', () => {
  const text = manifest('a', { dependencies: { b: '^1.0.0', c: '1.0.0' }, peerDependencies: { d: '1.0.0' } });
  expect(asLines(looseVersions([{ path: 'libs/a/package.json', text }]))).toEqual([
    'libs/a/package.json:1 wants b ^1.0.0, not one exact version',
    'libs/a/package.json:1 declares d as neither dependency nor devDependency',
  ]);
});

test('the imports of a known file are seen', () => {
  const file = tree.find(({ path }) => path === 'libs/wire/src/money.ts');
  expect(file && importsOf(file).map(({ specifier }) => specifier)).toContain('@tillmesh/domain');
});
