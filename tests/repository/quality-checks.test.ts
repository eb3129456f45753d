import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { differences } from '../../scripts/generated-code.ts';
import { checkFormat, checkTypes, lintCode, lintProtos, qualityChecks } from '../../scripts/quality-checks.ts';
import { root } from './source-tree.ts';

for (const { promise, run } of qualityChecks) {
  test(promise, async () => {
    const { status, output } = await run();
    // The tool's own words are the failure; a comparison would only bury them.
    if (status !== 0) throw new Error(output);
  });
}

const samples: string[] = [];

/** A folder with these files and the checkout's settings, in which a tool has to find something. */
const sampleFolder = (files: Readonly<Record<string, string>>): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-sample-'));
  samples.push(folder);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
};

const tsconfig = JSON.stringify({
  extends: join(root, 'tsconfig.json'),
  compilerOptions: { types: [] },
  include: ['.'],
});

afterEach(() => {
  for (const folder of samples.splice(0)) rmSync(folder, { recursive: true, force: true });
});

test('a type that does not fit is found', async () => {
  const folder = sampleFolder({ 'tsconfig.json': tsconfig, 'a.ts': "export const a: number = 'b';\n" });
  const { status, output } = await checkTypes(folder);
  expect(output).toContain('TS2322');
  expect(status).not.toBe(0);
});

const LINT: readonly (readonly [rule: string, text: string])[] = [
  ['no-floating-promises', 'export const f = async () => undefined;\nf();\n'],
  ['no-misused-promises', 'export const f = async () => true;\nif (f()) throw new Error("a");\n'],
  ['await-thenable', 'export const a = await (1 as number);\n'],
  [
    'switch-exhaustiveness-check',
    "export const f = (a: 'b' | 'c') => {\n  switch (a) {\n    case 'b':\n      return 1;\n    default:\n      return 2;\n  }\n};\n",
  ],
  ['no-explicit-any', 'export const f = (a: any): unknown => a;\n'],
  ['no-unnecessary-type-assertion', 'export const f = (a: string): string => a as string;\n'],
  ['no-unsafe-member-access', 'export const a: unknown = JSON.parse("{}").b;\n'],
];

for (const [rule, text] of LINT) {
  test(`the linter finds what ${rule} is for`, async () => {
    const { status, output } = await lintCode(sampleFolder({ 'tsconfig.json': tsconfig, 'a.ts': text }));
    expect(output).toContain(`(${rule})`);
    expect(status).not.toBe(0);
  });
}

test('a file that is not formatted is found, and imports that are not sorted', async () => {
  const unformatted = await checkFormat(sampleFolder({ 'a.ts': 'export const a = "b"\n' }));
  expect(unformatted).toMatchObject({ status: 1 });
  expect(unformatted.output).toContain('format');
  const unsorted = await checkFormat(
    sampleFolder({ 'a.ts': "import { c } from './c.ts';\nimport { b } from './b.ts';\n\nexport { b, c };\n" }),
  );
  expect(unsorted).toMatchObject({ status: 1 });
  expect(unsorted.output).toContain('organizeImports');
});

test('a proto without a comment is found, and one that is not formatted', async () => {
  const proto = (comment: string) =>
    `syntax = "proto3";\n\npackage tillmesh.a.v1;\n\n${comment}message A {\n  // Its name.\n  string name = 1;\n}\n`;
  const withProto = (text: string) => {
    const folder = sampleFolder({ 'proto/tillmesh/a/v1/a.proto': text });
    cpSync(join(root, 'buf.yaml'), join(folder, 'buf.yaml'));
    return lintProtos(folder);
  };
  expect(await withProto(proto('// Something.\n'))).toMatchObject({ status: 0 });
  const bare = await withProto(proto(''));
  expect(bare.status).not.toBe(0);
  expect(bare.output).toContain('should have a non-empty comment');
  expect((await withProto(proto('// Something.\n').replace('string name', 'string   name'))).status).not.toBe(0);
});

test('generated code that is stale, missing or left over is found', () => {
  const expected = sampleFolder({ 'a_pb.ts': 'a', 'b/b_pb.ts': 'b', 'c_pb.ts': 'c' });
  const found = sampleFolder({ 'a_pb.ts': 'a', 'b/b_pb.ts': 'old', 'd_pb.ts': 'd' });
  expect(differences(expected, found)).toEqual(['b/b_pb.ts is stale', 'c_pb.ts is missing', 'd_pb.ts has no proto']);
  expect(differences(expected, expected)).toEqual([]);
});
