// npm run check: everything that tools can check, one after the other, as a table. `npm test` checks the same and more.

import { systemClock } from '@tillmesh/clock';
import { qualityChecks } from './quality-checks.ts';

const nameChars = Math.max(...qualityChecks.map(({ name }) => name.length));
const failures: { readonly promise: string; readonly output: string }[] = [];

for (const { name, promise, run } of qualityChecks) {
  const beganMs = systemClock.monotonicMs();
  const { status, output } = await run();
  const seconds = ((systemClock.monotonicMs() - beganMs) / 1000).toFixed(1).padStart(5);
  if (status !== 0) failures.push({ promise, output });
  console.log(`${name.padEnd(nameChars)}  ${status === 0 ? 'ok    ' : 'failed'}  ${seconds} s`);
}

for (const { promise, output } of failures) console.log(`\nNot true: ${promise}.\n${output}`);
process.exitCode = failures.length === 0 ? 0 : 1;
