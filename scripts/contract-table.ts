// npm run contracts: runs the contract suite of every channel and prints which rule holds where, as a Markdown table.

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, runTool } from './run-program.ts';

type Report = {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
};

const channels = readdirSync(join(root, 'services')).flatMap((folder) => /^channel-(.+)$/.exec(folder)?.[1] ?? []);
const suites = channels.map((id) => `services/channel-${id}/test/contract.stack.test.ts`);
const reportFile = join(root, '.results', 'contracts.json');
rmSync(reportFile, { force: true });

const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const words = [vitest, 'run', '--project', 'services', '--reporter=json', `--outputFile=${reportFile}`, ...suites];
const { status, output } = await runTool(process.execPath, words);

const SIGNS: Readonly<Record<string, string>> = { passed: '✓', failed: '✗', skipped: '–', pending: '–' };
/** A suite that is run for several kinds of account: what one of them does not have another may. */
const WORST_LAST = ['–', '✓', '✗'];
const worse = (before: string, now: string): string =>
  WORST_LAST.indexOf(now) > WORST_LAST.indexOf(before) ? now : before;
/** By rule, by channel. */
const table = new Map<string, Map<string, string>>();
try {
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
  for (const { ancestorTitles, title, status: end } of report.testResults.flatMap((file) => file.assertionResults)) {
    const id = /^channel ([a-z]+)(?:, .*)? keeps/.exec(ancestorTitles.at(-1) ?? '')?.[1];
    if (id === undefined) continue;
    const row = table.get(title) ?? new Map<string, string>();
    table.set(title, row.set(id, worse(row.get(id) ?? '–', SIGNS[end] ?? '✗')));
  }
} catch {
  // The run ended before it wrote a report: what it printed says why.
  console.error(output);
}

console.log(`| rule | ${channels.join(' | ')} |`);
console.log(`| --- |${' --- |'.repeat(channels.length)}`);
for (const [rule, row] of table) {
  console.log(`| ${rule.replaceAll('|', '\\|')} | ${channels.map((id) => row.get(id) ?? '–').join(' | ')} |`);
}
const ends = [...table.values()].flatMap((row) => [...row.values()]);
const count = (sign: string) => ends.filter((end) => end === sign).length;
console.log(
  `\n${table.size} rules, ${channels.length} channels: ${count('✓')} hold, ${count('✗')} do not. – is a rule about what a channel does not have.`,
);
process.exitCode = status;
