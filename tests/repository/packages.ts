import type { SourceFile } from './source-tree.ts';

/** A package.json of ours, as far as the rules read it. */
export type Package = {
  /** Its folder from the root; empty for the root itself. */
  readonly folder: string;
  readonly name: string;
  readonly exports: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  /** Other groups of dependencies, which we do not use. */
  readonly otherDependencies: readonly string[];
};

type Manifest = {
  readonly name?: string;
  readonly exports?: Readonly<Record<string, unknown>>;
} & Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;

const otherGroups = ['peerDependencies', 'optionalDependencies', 'bundleDependencies'] as const;

/** The packages that the package.json files of the repository describe. */
export const packagesOf = (files: readonly SourceFile[]): Package[] =>
  files
    // scripts/node24 only pins what the bootstrap installs; nothing there is imported.
    .filter(({ path }) => /^(?:(?:libs|services)\/[^/]+\/|examples\/|)package\.json$/.test(path))
    .map(({ path, text }) => {
      const manifest = JSON.parse(text) as Manifest;
      return {
        folder: path.replace(/\/?package\.json$/, ''),
        name: manifest.name ?? '',
        exports: Object.keys(manifest.exports ?? {}),
        dependencies: manifest['dependencies'] ?? {},
        devDependencies: manifest['devDependencies'] ?? {},
        otherDependencies: otherGroups.flatMap((group) => Object.keys(manifest[group] ?? {})),
      };
    });

/** The package that a file belongs to: the one with the longest folder around it. */
export const packageOf = (packages: readonly Package[], path: string): Package => {
  const around = packages.filter(({ folder }) => folder === '' || path.startsWith(`${folder}/`));
  const [owner] = around.toSorted((a, b) => b.folder.length - a.folder.length);
  if (owner === undefined) throw new Error(`${path} belongs to no package`);
  return owner;
};
