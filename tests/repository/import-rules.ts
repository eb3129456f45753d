import { posix } from 'node:path';
import { importedByGeneratedCode, importTable, rowKeyOf, testsMayImport, toolsOfRoot } from './import-table.ts';
import { mask } from './masked.ts';
import { type Package, packageOf, packagesOf } from './packages.ts';
import { type Finding, lineAt, type SourceFile } from './source-tree.ts';

/** One import of a file: of a value or of a type, static or not. */
export type Import = { readonly path: string; readonly line: number; readonly specifier: string };

const importForms = [
  /\b(?:import|export)\b(?:[\s\w$*{},]|\btype\b)*?\bfrom\s*['"]([^'"\n]+)['"]/g,
  /\bimport\s*['"]([^'"\n]+)['"]/g,
  /\bimport\s*\(\s*['"]([^'"\n]+)['"]/g,
  /\b(?:require|createRequire\([^)]*\))\s*\(\s*['"]([^'"\n]+)['"]/g,
];

/** Everything that a file imports. */
export const importsOf = ({ path, text }: SourceFile): Import[] => {
  const { codeAndTexts, code } = mask(text);
  return importForms.flatMap((form) =>
    [...codeAndTexts.matchAll(form)]
      // An import inside a text, such as a sample in a test, is blank in the code.
      .filter((match) => code[match.index] !== ' ')
      .map((match) => ({ path, line: lineAt(codeAndTexts, match.index), specifier: match[1] ?? '' })),
  );
};

const isCode = (path: string) => /\.(?:ts|mjs)$/.test(path);
const isTest = (path: string) => /(?:^|\/)tests?\//.test(path);
/** Files at the root (scripts, tests, drills) wire things together and may know every library. */
const isPackaged = (owner: Package) => owner.folder !== '';

const packageNameOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

const exportsOffer = (target: Package, specifier: string): boolean => {
  const subpath = `.${specifier.slice(target.name.length)}`;
  return target.exports.some((offer) =>
    offer.endsWith('*') ? subpath.startsWith(offer.slice(0, -1)) && subpath.length >= offer.length : subpath === offer,
  );
};

const judgeRelative = (owner: Package, { path, specifier }: Import): string | undefined => {
  const target = posix.normalize(posix.join(posix.dirname(path), specifier));
  if (!/\.(?:ts|mjs|json)$/.test(specifier)) return `imports ${specifier} without its file ending`;
  if (target.startsWith('../')) return `imports ${specifier} from outside the repository`;
  const crosses =
    owner.folder === '' ? /^(?:libs|services|examples)\//.test(target) : !target.startsWith(`${owner.folder}/`);
  if (crosses) return `reaches into another package by ${specifier}: import it by its name`;
  if (isPackaged(owner) && !isTest(path) && isTest(target)) return `imports ${specifier}: sources may not know tests`;
  return undefined;
};

const judgeOurs = (owner: Package, target: Package | undefined, { path, specifier }: Import): string | undefined => {
  if (target === undefined) return `imports ${specifier}, which is no package of ours`;
  if (!exportsOffer(target, specifier)) return `imports ${specifier}, which ${target.name} does not export`;
  if (!isPackaged(owner)) return undefined;
  if (target.folder.startsWith('services/')) return `imports ${specifier}: services meet over proto only`;
  const row = importTable[rowKeyOf(owner.folder)] ?? [];
  const name = target.name.replace('@tillmesh/', '');
  const forTests = testsMayImport.includes(name) || target.name in owner.devDependencies;
  const allowed = row.includes(name) || target === owner || (isTest(path) && forTests);
  return allowed
    ? undefined
    : `imports ${specifier}, which tests/repository/import-table.ts does not allow ${owner.folder}`;
};

const judgeDeclared = (
  owner: Package,
  rootPackage: Package | undefined,
  { path, specifier }: Import,
): string | undefined => {
  const name = packageNameOf(specifier);
  const isOurs = name.startsWith('@tillmesh/');
  if (isOurs && (!isPackaged(owner) || name === owner.name)) return undefined;
  const forTests = { ...owner.devDependencies, ...rootPackage?.devDependencies };
  const declared = isTest(path) || !isPackaged(owner) ? { ...owner.dependencies, ...forTests } : owner.dependencies;
  // The helpers of our own tests are linked by the workspace; listing them everywhere would say nothing.
  if (isOurs && isTest(path) && testsMayImport.includes(name.replace('@tillmesh/', ''))) return undefined;
  return name in declared
    ? undefined
    : `imports ${name}, which ${owner.folder || 'the root'}/package.json does not declare`;
};

/** Imports that the table, the packages' exports or their declared dependencies do not allow. */
export const forbiddenImports = (files: readonly SourceFile[]): Finding[] => {
  const packages = packagesOf(files);
  const byName = new Map(packages.map((entry) => [entry.name, entry]));
  const rootPackage = packages.find(({ folder }) => folder === '');
  return files
    .filter(({ path }) => isCode(path))
    .flatMap(importsOf)
    .flatMap((entry) => {
      const { path, line, specifier } = entry;
      const owner = packageOf(packages, path);
      if (specifier.startsWith('node:')) return [];
      if (specifier.startsWith('.')) {
        const wrong = judgeRelative(owner, entry);
        return wrong === undefined ? [] : [{ path, line, what: wrong }];
      }
      const ours = specifier.startsWith('@tillmesh/');
      const wrong =
        (ours ? judgeOurs(owner, byName.get(packageNameOf(specifier)), entry) : undefined) ??
        judgeDeclared(owner, rootPackage, entry);
      return wrong === undefined ? [] : [{ path, line, what: wrong }];
    });
};

/** Dependencies that a package.json declares and no file of the package imports. */
export const unusedDependencies = (files: readonly SourceFile[]): Finding[] => {
  const packages = packagesOf(files);
  const used = new Map<string, { readonly sources: Set<string>; readonly all: Set<string> }>(
    packages.map(({ folder }) => [folder, { sources: new Set(), all: new Set() }]),
  );
  for (const { path, specifier } of files.filter((file) => isCode(file.path)).flatMap(importsOf)) {
    const seen = used.get(packageOf(packages, path).folder);
    const name = packageNameOf(specifier);
    seen?.all.add(name);
    if (!isTest(path)) seen?.sources.add(name);
  }
  const everywhere = new Set([...used.values()].flatMap(({ all }) => [...all]));
  return packages.flatMap(({ folder, dependencies, devDependencies }) => {
    const { sources, all } = used.get(folder) ?? { sources: new Set(), all: new Set() };
    const path = folder === '' ? 'package.json' : `${folder}/package.json`;
    const unused = Object.keys(dependencies).filter(
      (name) => !sources.has(name) && importedByGeneratedCode[folder]?.includes(name) !== true,
    );
    // The root's are there for the tests of every package.
    const unusedInTests = Object.keys(devDependencies).filter((name) =>
      folder === '' ? !everywhere.has(name) && !(name in toolsOfRoot) : !all.has(name),
    );
    return [
      ...unused.map((name) => ({ path, line: 1, what: `declares ${name}, which no source of it imports` })),
      ...unusedInTests.map((name) => ({
        path,
        line: 1,
        what: `declares ${name} for development, which nothing imports`,
      })),
    ];
  });
};

/** Versions that are ranges, and groups of dependencies that we do not use. */
export const looseVersions = (files: readonly SourceFile[]): Finding[] =>
  packagesOf(files).flatMap(({ folder, dependencies, devDependencies, otherDependencies }) => {
    const path = folder === '' ? 'package.json' : `${folder}/package.json`;
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version),
    );
    return [
      ...loose.map(([name, version]) => ({ path, line: 1, what: `wants ${name} ${version}, not one exact version` })),
      ...otherDependencies.map((name) => ({
        path,
        line: 1,
        what: `declares ${name} as neither dependency nor devDependency`,
      })),
    ];
  });
