// npm test: every test of the repository, its own rules included. Words after `npm test --` go to vitest, such as a
// path, or `--project unit`. The last line says how many tests ended how; .results/ holds the same for machines.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run-program.ts';
import { runVitest } from './run-vitest.ts';
import { countsLine, countTests } from './test-counts.ts';

const results = join(root, '.results');
const reportPath = join(results, 'tests.json');
const countsPath = join(results, 'test-counts.txt');

const readReport = (): unknown => {
  try {
    return JSON.parse(readFileSync(reportPath, 'utf8'));
  } catch {
    return undefined; // The run ended before it could write one: countTests makes a failure of that.
  }
};

mkdirSync(results, { recursive: true });
// What an earlier run left behind must not be taken for this one's result.
for (const path of [reportPath, countsPath]) rmSync(path, { force: true });

const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`];
const status = await runVitest([...reporters, ...process.argv.slice(2)]);
const counts = countTests(readReport(), status);
writeFileSync(countsPath, `${countsLine(counts)}\n`);
console.log(`\n${countsLine(counts)}`);
process.exitCode = status === 0 && counts.failed > 0 ? 1 : status;
