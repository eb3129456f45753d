import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { playAlerts, promtoolPath, rulesOfChart, untested } from './chart/alert-tests.ts';
import { chartFolder, generatedChartFiles } from './chart/chart-files.ts';
import { helm } from './chart/helm.ts';
import { createJudge } from './chart/judge.ts';
import { kubeLinterPath } from './chart/kube-linter.ts';
import { KUBE_VERSIONS, render } from './chart/render.ts';
import { exemptions, rules } from './chart/rules.ts';
import { rightValues, wrongValues } from './chart/values-files.ts';
import { runTool } from './run-program.ts';

// npm run chart:check: everything that can be known of the chart without a cluster. `npm test` does the same for one version of Kubernetes.

const beganMs = systemClock.monotonicMs();
let findings = 0;
const tell = (what: string, complaints: readonly string[]): void => {
  findings += complaints.length;
  const seconds = ((systemClock.monotonicMs() - beganMs) / 1_000).toFixed(1).padStart(6);
  console.log(`${seconds} s  ${complaints.length === 0 ? 'ok    ' : 'wrong '}  ${what}`);
  for (const complaint of complaints) console.log(`             ${complaint.replaceAll('\n', '\n             ')}`);
};

const stale: string[] = [];
for (const [path, text] of await generatedChartFiles()) {
  if (readFileSync(join(chartFolder, path), 'utf8') !== text) stale.push(`${path}: run npm run chart:generate`);
}
tell('what is made from code is fresh', stale);

for (const { name, options } of rightValues()) {
  // `helm lint` has no flag for APIs that a cluster has besides.
  if ((options.apis ?? []).length > 0) continue;
  const values = (options.values ?? []).flatMap((path) => ['--values', path]);
  const { status, output } = await helm(['lint', '--strict', '--quiet', chartFolder, ...values]);
  tell(`helm lint --strict: ${name}`, status === 0 ? [] : [output]);
}

const judge = await createJudge();
for (const file of rightValues()) {
  for (const version of KUBE_VERSIONS) {
    const found = await judge.right(file, version);
    tell(
      `${file.name} on Kubernetes ${version}`,
      found.map(({ object, rule, what }) => `${rule}: ${object}: ${what}`),
    );
  }
}
tell(`${rules.length} rules, ${exemptions.length} exemptions`, []);
for (const { rule, object, because } of exemptions)
  console.log(`             ${rule} does not hold for ${String(object)}: ${because}`);

const wrong = wrongValues();
for (const file of wrong) {
  const complaint = await judge.wrong(file);
  if (complaint !== undefined) tell(file.name, [complaint]);
}
tell(`${wrong.length} wrong values files, each refused in its own words`, []);

const promtool = await promtoolPath(true);
if (promtool === undefined)
  console.log('             promtool is not here, so no alert is played: Debian has it in its package prometheus');
else {
  const alertRules = await rulesOfChart();
  tell(
    'every alert has a case in which it fires',
    untested(alertRules).map((name) => `${name} has none: scripts/chart/alert-cases.ts`),
  );
  tell(
    'promtool: alerts fire when they should, and in a healthy mesh none does',
    await playAlerts(promtool, alertRules),
  );
}

// Its checks are its own, and ours are its defaults told again.
const linter = await kubeLinterPath(process.argv.includes('--kube-linter'));
if (linter === undefined)
  console.log('             kube-linter is not here: --kube-linter builds it, where Go is installed');
else {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-lint-'));
  for (const file of rightValues()) {
    const rendered = await render(file.options);
    if (rendered.kind === 'refused') continue;
    writeFileSync(join(folder, 'all.yaml'), rendered.text);
    const { status, output } = await runTool(linter, ['lint', folder]);
    tell(`kube-linter: ${file.name}`, status === 0 ? [] : [output]);
  }
  rmSync(folder, { recursive: true, force: true });
}

console.log(findings === 0 ? '\n0 findings' : `\n${findings} findings`);
process.exitCode = findings === 0 ? 0 : 1;
