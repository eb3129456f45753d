import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../run-program.ts';

// Base images for machines that reach no registry of images: Node and the libraries that it is linked to, copied from here.

/** Trusted authorities, for channels over TLS. */
const AUTHORITIES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];

/** The libraries that a program is linked to, as `ldd` finds them. */
const librariesOf = (program: string): readonly string[] =>
  [...execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/(?:=> |^\s*)(\/\S+) \(/gm)].flatMap(
    (match) => match[1] ?? [],
  );

const copyInto = (folder: string, path: string, to = path): void => {
  mkdirSync(dirname(join(folder, to)), { recursive: true });
  cpSync(realpathSync(path), join(folder, to), { recursive: true, dereference: true });
};

/** npm of the tools that scripts/bootstrap.mjs installed, or of the Node that runs this. */
const npmFolder = (): string => {
  const candidates = [
    join(root, '.tools/node24/node_modules/npm'),
    join(dirname(dirname(process.execPath)), 'lib/node_modules/npm'),
  ];
  const found = candidates.find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`npm was not found at ${candidates.join(' nor ')}`);
  return found;
};

/**
 * Writes the folder of an image with Node and nothing else: no shell, no package manager.
 *
 * @param withNpm adds npm, for the stage that installs the dependencies.
 */
export const writeLocalBase = (folder: string, { withNpm }: { readonly withNpm: boolean }): void => {
  copyInto(folder, process.execPath, '/usr/local/bin/node');
  // Names of hosts are resolved by libraries that Node loads when it needs them.
  const libraries = librariesOf(process.execPath);
  const beside = libraries.flatMap((path) =>
    ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'].map((name) => join(dirname(path), name)),
  );
  for (const path of new Set([...libraries, ...beside])) if (existsSync(path)) copyInto(folder, path);
  const authorities = AUTHORITIES.find((path) => existsSync(path));
  if (authorities !== undefined) copyInto(folder, authorities, AUTHORITIES[0]);
  mkdirSync(join(folder, 'etc'), { recursive: true });
  writeFileSync(join(folder, 'etc/passwd'), 'root:x:0:0:root:/:/none\ntillmesh:x:65532:65532:tillmesh:/:/none\n');
  writeFileSync(join(folder, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  mkdirSync(join(folder, 'tmp'), { recursive: true, mode: 0o1777 });
  if (!withNpm) return;
  copyInto(folder, npmFolder(), '/usr/local/lib/node_modules/npm');
  const link = join(folder, 'usr/local/bin/npm');
  if (!existsSync(link) || !lstatSync(link).isSymbolicLink())
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', link);
  // Its first line asks `env` for node.
  copyInto(folder, '/usr/bin/env');
};

/** The Dockerfile of such a folder. npm trusts whom this machine trusts: its registry may be a mirror of the house. */
export const LOCAL_BASE_DOCKERFILE = `FROM scratch
COPY . /
ENV PATH=/usr/local/bin:/usr/bin npm_config_cafile=${AUTHORITIES[0]}
`;

/** The version of the project. */
export const projectVersion = (): string =>
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string }).version;
