/** How many tests ended how. */
export type TestCounts = { readonly passed: number; readonly failed: number; readonly skipped: number };

/** What is read of the JSON report of vitest; anything else in it is ignored. */
type FileReport = { readonly status?: unknown; readonly assertionResults?: readonly { readonly status?: unknown }[] };

const countFile = ({ status, assertionResults = [] }: FileReport): TestCounts => {
  const passed = assertionResults.filter((test) => test.status === 'passed').length;
  const failed = assertionResults.filter((test) => test.status === 'failed').length;
  const skipped = assertionResults.length - passed - failed;
  // A file that does not load, or whose set-up or clean-up fails, has failed though no test of it has.
  return { passed, failed: status === 'failed' && failed === 0 ? 1 : failed, skipped };
};

/**
 * Counts the tests of a run.
 *
 * @param report vitest's JSON report, parsed; undefined where the run left none.
 * @param exitStatus vitest's. A run that ended badly without a failed test (an error that no test owned, a crash, no
 *   test found) counts as one failure, so that the counts never look better than the run.
 */
export const countTests = (report: unknown, exitStatus: number): TestCounts => {
  const files = (report as { readonly testResults?: readonly FileReport[] } | undefined)?.testResults ?? [];
  const counts = files.map(countFile);
  const sum = (key: keyof TestCounts) => counts.reduce((total, count) => total + count[key], 0);
  const failed = sum('failed');
  return { passed: sum('passed'), failed: failed === 0 && exitStatus !== 0 ? 1 : failed, skipped: sum('skipped') };
};

/** The line that ends `npm test` and `.ci/run`. */
export const countsLine = ({ passed, failed, skipped }: TestCounts): string =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;
