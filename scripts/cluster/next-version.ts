import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chartFolder } from '../chart/chart-files.ts';
import { root, runTool } from '../run-program.ts';

/** The chart as the next release would have it: version and image are others, and with them every label that names them. */
export const nextChart = (folder: string): string => {
  const copy = join(folder, 'next', 'tillmesh');
  cpSync(chartFolder, copy, { recursive: true });
  const file = join(copy, 'Chart.yaml');
  const text = readFileSync(file, 'utf8').replace(/^(version|appVersion): .*$/gm, '$1: 9.9.9');
  writeFileSync(file, text);
  return copy;
};

/** The chart of a commit. @throws {Error} with git's words where there is none. */
export const chartOf = async (commit: string, folder: string): Promise<string> => {
  const target = join(folder, 'from');
  mkdirSync(target, { recursive: true });
  const archive = join(folder, 'from.tar');
  for (const [program, words] of [
    ['git', ['-C', root, 'archive', '--output', archive, commit, 'helm/tillmesh']],
    ['tar', ['-xf', archive, '-C', target]],
  ] as const) {
    const { status, output } = await runTool(program, words);
    if (status !== 0) throw new Error(`the chart of ${commit} cannot be had: ${output}`);
  }
  return join(target, 'helm', 'tillmesh');
};
