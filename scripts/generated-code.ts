import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ended, root, runTool } from './run-program.ts';

const generatedFolder = join('libs', 'proto', 'src', 'gen');

/** Writes the code of every proto below `base`, in the folder that it has in the checkout. */
export const generateInto = (base: string): Promise<Ended> => runTool('buf', ['generate', '--output', base]);

const filesBelow = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
        .toSorted()
    : [];

/** One line for every file that two folders do not share byte for byte. */
export const differences = (expected: string, found: string): string[] => {
  const expectedFiles = filesBelow(expected);
  const foundFiles = new Set(filesBelow(found));
  const wrong = expectedFiles.flatMap((file) => {
    if (!foundFiles.has(file)) return [`${file} is missing`];
    return readFileSync(join(expected, file)).equals(readFileSync(join(found, file))) ? [] : [`${file} is stale`];
  });
  const expectedSet = new Set(expectedFiles);
  const surplus = [...foundFiles].filter((file) => !expectedSet.has(file)).map((file) => `${file} has no proto`);
  return [...wrong, ...surplus];
};

/** Generates the code again beside the checkout and compares. Status 0 where the committed code is what the protos say. */
export const generatedCodeIsFresh = async (): Promise<Ended> => {
  const base = mkdtempSync(join(tmpdir(), 'tillmesh-generated-'));
  try {
    const generated = await generateInto(base);
    if (generated.status !== 0) return generated;
    const wrong = differences(join(base, generatedFolder), join(root, generatedFolder));
    return wrong.length === 0
      ? { status: 0, output: '' }
      : { status: 1, output: [...wrong, 'Run `npm run generate` and commit what it writes.'].join('\n') };
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
};
