import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { debianProgram } from '../debian-program.ts';
import { runTool } from '../run-program.ts';
import { alertCases, HEALTHY, HEALTHY_AT, NAMESPACE, notYet, type Series } from './alert-cases.ts';
import type { Alert } from './alerts.ts';
import { renderManifests } from './render.ts';

type Rules = { readonly groups: readonly { readonly name: string; readonly rules: readonly Alert[] }[] };

/** The path of promtool: the one on PATH, or Debian's, which is fetched where `mayFetch` says so. */
export const promtoolPath = (mayFetch: boolean): Promise<string | undefined> =>
  debianProgram({ name: 'promtool', packageName: 'prometheus', mayFetch });

/** The rules as the chart hands them to Prometheus. */
export const rulesOfChart = async (): Promise<Rules> => {
  const manifests = await renderManifests({
    namespace: NAMESPACE,
    set: ['monitoring.prometheusRule.enabled=true'],
    apis: ['monitoring.coreos.com/v1', 'monitoring.coreos.com/v1/PrometheusRule'],
  });
  const rule = manifests.find(({ kind }) => kind === 'PrometheusRule');
  if (rule === undefined) throw new Error('the chart renders no PrometheusRule');
  return rule['spec'] as Rules;
};

const alertsIn = (rules: Rules): readonly Alert[] => rules.groups.flatMap((group) => group.rules);

/** Alerts for which there is no case in which they fire. */
export const untested = (rules: Rules): readonly string[] =>
  alertsIn(rules)
    .map(({ alert }) => alert)
    .filter((name) => !alertCases.some(({ alert }) => alert === name));

const inputOf = (more: Series): readonly object[] =>
  Object.entries({ ...HEALTHY, ...more }).map(([name, values]) => ({ series: name, values }));

const silent = (alertname: string, minutes: number): object => ({
  alertname,
  eval_time: `${minutes}m`,
  exp_alerts: [],
});

const testsOf = (rules: Rules): readonly object[] => {
  const all = alertsIn(rules);
  const firing = ({ alert: name, afterMinutes, labels, not = [] }: (typeof alertCases)[number]): readonly object[] => {
    const rule = all.find(({ alert }) => alert === name);
    if (rule === undefined) throw new Error(`there is no alert ${name} any more: its cases have to follow`);
    const expected = { exp_labels: { ...rule.labels, ...labels }, exp_annotations: rule.annotations };
    return [
      { alertname: name, eval_time: `${afterMinutes}m`, exp_alerts: [expected] },
      ...not.map((other) => silent(other, afterMinutes)),
    ];
  };
  return [
    {
      name: 'a healthy mesh',
      interval: '1m',
      input_series: inputOf({}),
      alert_rule_test: HEALTHY_AT.flatMap((minutes) => all.map(({ alert }) => silent(alert, minutes))),
    },
    ...alertCases.map((each) => ({
      name: `${each.alert}: ${each.why}`,
      interval: '1m',
      input_series: inputOf(each.series),
      alert_rule_test: firing(each),
    })),
    ...notYet.map(({ alert, series, afterMinutes }) => ({
      name: `${alert}: not yet, or no more`,
      interval: '1m',
      input_series: inputOf(series),
      alert_rule_test: [silent(alert, afterMinutes)],
    })),
  ];
};

/** Plays every case in promtool. @returns what it complains about, in its words; empty where every alert does what it should. */
export const playAlerts = async (promtool: string, rules: Rules): Promise<readonly string[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-alerts-'));
  try {
    const file = (name: string, value: object): string => {
      const path = join(folder, name);
      // YAML reads JSON.
      writeFileSync(path, JSON.stringify(value));
      return path;
    };
    const ruleFile = file('rules.yaml', rules);
    const testFile = file('tests.yaml', { rule_files: [ruleFile], evaluation_interval: '1m', tests: testsOf(rules) });
    for (const words of [
      ['check', 'rules', ruleFile],
      ['test', 'rules', testFile],
    ]) {
      const { status, output } = await runTool(promtool, words);
      if (status !== 0) return [output];
    }
    return [];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
