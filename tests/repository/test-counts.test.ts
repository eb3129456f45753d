import { expect, test } from 'vitest';
import { countsLine, countTests } from '../../scripts/test-counts.ts';

const file = (status: string, ...tests: readonly string[]) => ({
  status,
  assertionResults: tests.map((each) => ({ status: each })),
});

const CASES: readonly (readonly [what: string, report: unknown, exitStatus: number, line: string])[] = [
  ['all pass', { testResults: [file('passed', 'passed', 'passed')] }, 0, '2 passed, 0 failed, 0 skipped'],
  ['one fails', { testResults: [file('failed', 'passed', 'failed')] }, 1, '1 passed, 1 failed, 0 skipped'],
  [
    'some are skipped, by whatever name',
    { testResults: [file('passed', 'passed', 'skipped', 'pending', 'todo')] },
    0,
    '1 passed, 0 failed, 3 skipped',
  ],
  [
    'a file does not load',
    { testResults: [file('failed'), file('passed', 'passed')] },
    1,
    '1 passed, 1 failed, 0 skipped',
  ],
  ['a clean-up fails after its tests', { testResults: [file('failed', 'passed')] }, 1, '1 passed, 1 failed, 0 skipped'],
  ['an error belongs to no test', { testResults: [file('passed', 'passed')] }, 1, '1 passed, 1 failed, 0 skipped'],
  ['no report was left', undefined, 137, '0 passed, 1 failed, 0 skipped'],
  ['a report is not what it should be', 'nonsense', 1, '0 passed, 1 failed, 0 skipped'],
];

for (const [what, report, exitStatus, line] of CASES) {
  test(`the counts are true when ${what}`, () => {
    expect(countsLine(countTests(report, exitStatus))).toBe(line);
  });
}
