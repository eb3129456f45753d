import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from '@tillmesh/config';
import { describe, expect, test } from 'vitest';
import { playAlerts, promtoolPath, rulesOfChart, untested } from '../../scripts/chart/alert-tests.ts';
import { alerts } from '../../scripts/chart/alerts.ts';
import { chartFolder, generatedChartFiles } from '../../scripts/chart/chart-files.ts';
import { dashboards } from '../../scripts/chart/dashboards.ts';
import { edgesOf } from '../../scripts/chart/edges.ts';
import { createJudge } from '../../scripts/chart/judge.ts';
import { metricNames, metricsIn } from '../../scripts/chart/metric-names.ts';
import { findInPolicies } from '../../scripts/chart/policy-check.ts';
import { type Manifest, renderManifests } from '../../scripts/chart/render.ts';
import { findByRules, rules } from '../../scripts/chart/rules.ts';
import { serviceSchemas } from '../../scripts/chart/service-schemas.ts';
import { rightValues, wrongValues } from '../../scripts/chart/values-files.ts';

// The chart, as far as it can be known without a cluster. `npm run chart:check` does more versions of Kubernetes.

const MS_MAX = 60_000;

const judge = await createJudge();
const schemas = await serviceSchemas();
const evaluation = await renderManifests();
const production = await renderManifests({ values: ['helm/tillmesh/values-production.yaml'] });

test(
  'what of the chart is made from code is what the code says now',
  async () => {
    for (const [path, text] of await generatedChartFiles()) {
      if (readFileSync(join(chartFolder, path), 'utf8') !== text)
        throw new Error(`${path} is stale: npm run chart:generate`);
    }
  },
  MS_MAX,
);

describe('right values', () => {
  for (const file of rightValues()) {
    test(
      `${file.name}: objects as Kubernetes, the rules and the services' own configuration want them`,
      async () => {
        expect(await judge.right(file)).toEqual([]);
      },
      MS_MAX,
    );
  }
});

describe('wrong values', () => {
  const wrong = wrongValues();
  test('are at least 25 kinds of mistake', () => expect(wrong.length).toBeGreaterThanOrEqual(25));
  for (const file of wrong) {
    test(`${file.name} is refused: ${file.says}`, async () => expect(await judge.wrong(file)).toBeUndefined(), MS_MAX);
  }
});

// oxlint-disable-next-line typescript/no-explicit-any -- Objects that are broken on purpose.
type Part = any;

/** The objects, one of them broken. */
const broken = (kind: string, name: string, breakIt: (object: Part, all: Part[]) => void): readonly Manifest[] => {
  const all = structuredClone(evaluation) as Manifest[];
  const object = all.find((each) => each.kind === kind && each.metadata.name === name);
  if (object === undefined) throw new Error(`there is no ${kind}/${name} any more: this test has to follow`);
  breakIt(object, all);
  return all;
};

const cashier = (breakIt: (pod: Part, container: Part, object: Part) => void): readonly Manifest[] =>
  broken('Deployment', 'pay-cashier', (object) =>
    breakIt(object.spec.template.spec, object.spec.template.spec.containers[0], object),
  );

/** For each rule, objects in which it has to find something. */
const SAMPLES: Readonly<Record<string, () => readonly Manifest[]>> = {
  'run-as-non-root': () => cashier((pod) => delete pod.securityContext.runAsNonRoot),
  seccomp: () => cashier((pod) => delete pod.securityContext.seccompProfile),
  'host-namespaces': () => cashier((pod) => (pod.hostNetwork = true)),
  'host-volumes': () => cashier((pod) => pod.volumes.push({ name: 'h', hostPath: { path: '/' } })),
  'service-account-token': () => cashier((pod) => (pod.automountServiceAccountToken = true)),
  'service-account': () => cashier((pod) => delete pod.serviceAccountName),
  'anti-affinity': () => cashier((pod) => delete pod.affinity),
  'read-only-root': () => cashier((_pod, container) => delete container.securityContext.readOnlyRootFilesystem),
  privilege: () => cashier((_pod, container) => (container.securityContext.capabilities.drop = [])),
  resources: () => cashier((_pod, container) => delete container.resources.limits),
  'image-tag': () => cashier((_pod, container) => (container.image = 'tillmesh:latest')),
  'secret-in-environment': () =>
    cashier((_pod, container) =>
      container.env.push({ name: 'KEY', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } }),
    ),
  'duplicate-environment': () => cashier((_pod, container) => container.env.push(container.env[0])),
  mounts: () => cashier((_pod, container) => container.volumeMounts.push({ name: 'nothing', mountPath: '/x' })),
  probes: () => cashier((_pod, container) => (container.readinessProbe.grpc.port = 1)),
  'job-ttl': () =>
    structuredClone(evaluation).map((each: Part) => {
      if (each.kind === 'Job') delete each.spec.ttlSecondsAfterFinished;
      return each;
    }),
  'dangling-service': () => broken('Service', 'pay-cashier', (object) => (object.spec.ports[0].targetPort = 'grpcs')),
  selector: () =>
    cashier((_pod, _container, object) => (object.spec.template.metadata.labels['tillmesh.io/track'] = 'x')),
  'one-owner': () =>
    broken('Deployment', 'pay-cashier', (object, all) =>
      all.push({ ...structuredClone(object), metadata: { ...object.metadata, name: 'again' } }),
    ),
  'existing-objects': () => cashier((pod) => (pod.volumes[0].configMap.name = 'nothing')),
  'certificate-names': () =>
    broken('Deployment', 'pay-cashier', (_object, all) =>
      all.push({
        apiVersion: 'cert-manager.io/v1',
        kind: 'Certificate',
        metadata: { name: 'pay-cashier-tls' },
        spec: { dnsNames: ['pay-cashier.payments'] },
      }),
    ),
  'disruption-budget': () =>
    broken('PodDisruptionBudget', 'pay-cashier', (object) => delete object.spec.unhealthyPodEvictionPolicy),
  'network-policy': () =>
    broken('NetworkPolicy', 'pay-cashier', (object) => (object.spec.podSelector.matchLabels = { a: 'b' })),
  autoscaler: () =>
    broken('Deployment', 'pay-cashier', (_object, all) =>
      all.push({
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata: { name: 'x', labels: _object.metadata.labels },
        spec: { scaleTargetRef: { name: 'pay-cashier' } },
      }),
    ),
  'drain-order': () => cashier((pod) => (pod.terminationGracePeriodSeconds = 62)),
  labels: () => broken('Service', 'pay-cashier', (object) => delete object.metadata.labels),
  unique: () => broken('Service', 'pay-cashier', (object, all) => all.push(structuredClone(object))),
};

describe('each rule finds what it is for:', () => {
  for (const { name } of rules) {
    test(name, () => {
      const sample = SAMPLES[name];
      if (sample === undefined) throw new Error(`${name} has no sample`);
      expect(findByRules(sample()).map(({ rule }) => rule)).toContain(name);
    });
  }
});

describe('the schema of Kubernetes', () => {
  const findings = (manifests: readonly Manifest[]) => judge.objects(manifests).map(({ what }) => what);

  test('finds a field that does not exist, at its place', () => {
    const manifests = cashier((_pod, container) => (container.prots = []));
    expect(findings(manifests)).toEqual([
      'Deployment/pay-cashier/spec/template/spec/containers/0/prots: unknown field in V1Container',
    ]);
  });

  test('finds a value of the wrong type, and a field that the oldest version does not know', () => {
    const manifests = cashier((_pod, container, object) => {
      object.spec.replicas = '2';
      container.lifecycle.stopSignal = 'SIGTERM';
    });
    expect(findings(manifests)).toEqual([
      'Deployment/pay-cashier/spec/replicas: is no number',
      'Deployment/pay-cashier/spec/template/spec/containers/0/lifecycle/stopSignal: newer than Kubernetes 1.30',
    ]);
  });
});

test('a configuration that its service would refuse is told in its words', () => {
  const manifests = broken('ConfigMap', 'pay-cashier', (object) => {
    object.data['config.json'] = object.data['config.json'].replace('"notifyBaseUrl"', '"notifyBaseURL"');
  });
  expect(judge.objects(manifests).map(({ what }) => what)).toEqual([
    expect.stringContaining('notifyBaseURL: is not a setting'),
  ]);
});

describe('network policies and code', () => {
  const edges = edgesOf(schemas);
  const found = (manifests: readonly Manifest[], list = edges) =>
    findInPolicies(manifests, 'pay', list).map(({ what }) => what);
  const withoutRule = (name: string, side: 'egress' | 'ingress', component: string) =>
    broken('NetworkPolicy', name, (object) => {
      for (const rule of object.spec[side]) {
        const peers = rule[side === 'egress' ? 'to' : 'from'];
        rule[side === 'egress' ? 'to' : 'from'] = peers?.filter(
          (peer: Part) => peer.podSelector?.matchLabels?.['app.kubernetes.io/component'] !== component,
        );
      }
    });

  test('agree in both profiles', () => {
    expect(found(evaluation)).toEqual([]);
    expect(found(production)).toEqual([]);
  });

  test('differ where a caller is not let out, or not let in', () => {
    expect(found(withoutRule('pay-cashier', 'egress', 'order-store'))).toEqual([
      'cashier calls order-store, and its policy does not let it out',
    ]);
    expect(found(withoutRule('pay-order-store', 'ingress', 'cashier'))).toEqual([
      'cashier calls order-store, whose policy does not let it in',
    ]);
  });

  test('differ where a policy lets somebody through whom no setting names', () => {
    const open = broken('NetworkPolicy', 'pay-query', (object) =>
      object.spec.egress.push({
        to: [{ podSelector: { matchLabels: { 'app.kubernetes.io/component': 'cashier' } } }],
        ports: [{ port: 50_051 }],
      }),
    );
    expect(found(open)).toEqual(['query may call cashier, and never does']);
  });

  test('know every neighbour: a setting for a new one is told by its path', () => {
    const novel = z.strictObject({
      notifier: z.string().describe('Where the notifier answers: host:port, dns:///host:port for a headless service'),
    });
    expect(() => edgesOf({ ...schemas, services: new Map([['novel', novel]]) })).toThrow(
      'novel notifier calls a neighbour that scripts/chart/edges.ts does not know',
    );
  });
});

test('every metric of dashboards and alerts is one that the code registers', () => {
  const queries = [
    ...alerts().groups.flatMap(({ rules: list }) => list.map(({ expr }) => expr)),
    ...dashboards().flatMap(({ dashboard }) =>
      (dashboard as { panels: readonly { targets: readonly { expr: string }[] }[] }).panels.flatMap(({ targets }) =>
        targets.map(({ expr }) => expr),
      ),
    ),
  ];
  const names = metricNames();
  expect(queries.length).toBeGreaterThan(20);
  for (const query of queries) expect(metricsIn(query).length, query).toBeGreaterThan(0);
  expect(queries.flatMap(metricsIn).filter((name) => !names.has(name))).toEqual([]);
  expect(metricsIn('sum(rate(tillmesh_no_such_total{a="b_c"}[5m])) by (x_y)')).toEqual(['tillmesh_no_such_total']);
});

test('every service that can be run stands in the values, and nothing else', () => {
  const components = new Set(production.map(({ metadata }) => metadata.labels?.['app.kubernetes.io/component']));
  // The sandbox plays channels and is no part of production.
  const services = [...schemas.services.keys()].filter((name) => name !== 'sandbox');
  const missing = services.filter((name) => !components.has(name));
  expect(
    missing,
    'give it a line in helm/tillmesh/values.yaml, and its configuration in templates/_components.tpl',
  ).toEqual([]);
});

const promtool = await promtoolPath(true);

test('every alert of the chart has a case in which it fires', async () => {
  expect(untested(await rulesOfChart())).toEqual([]);
});

// Debian's package `prometheus` has it; where there is no apt, this is left out.
test.skipIf(promtool === undefined)(
  'in promtool every alert fires when it should, and none does in a healthy mesh',
  async () => {
    expect(await playAlerts(promtool ?? '', await rulesOfChart())).toEqual([]);
  },
  MS_MAX,
);
