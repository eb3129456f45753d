import type { Edge } from './edges.ts';
import type { Manifest } from './render.ts';
import { podsOf } from './rules.ts';
import { type Finding, nameOf } from './walk.ts';

// Network policies against configurations: what a process is told to call it may reach, and what it may reach it is told to call.

// oxlint-disable-next-line typescript/no-explicit-any -- Parts of objects whose fields the schema's walk has checked.
type Part = any;

const COMPONENT = 'app.kubernetes.io/component';

/** The component that a target names, or the evaluation's sandbox in an account's address; undefined for what is neither. */
const componentOf = (text: string, release: string): string | undefined =>
  new RegExp(`^(?:(?:dns|kubernetes):///${release}-([a-z0-9-]+)|https?://${release}-(sandbox))\\.payments[.:]`)
    .exec(text)
    ?.slice(1)
    .find((part) => part !== undefined);

const textsIn = (value: unknown): readonly string[] => {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
};

const peersOf = (rules: readonly Part[], side: 'from' | 'to', port: number): readonly string[] =>
  (rules ?? [])
    .filter((rule: Part) => rule.ports === undefined || rule.ports.some((each: Part) => each.port === port))
    .flatMap((rule: Part) =>
      (rule[side] ?? []).flatMap((peer: Part) => peer.podSelector?.matchLabels?.[COMPONENT] ?? []),
    );

const roleOf = (component: string): string => component.replace(/^channel-.*/, 'channel-*');

/** Where policies and configurations differ, on the port of gRPC. @param edges of the code: see edgesOf. */
export const findInPolicies = (manifests: readonly Manifest[], release: string, edges: readonly Edge[]): Finding[] => {
  const pods = podsOf(manifests).filter(({ spec }) =>
    spec.containers[0].ports?.some((port: Part) => port.name === 'grpc'),
  );
  const policyOf = (component: string): Part =>
    manifests.find(
      (each) => each.kind === 'NetworkPolicy' && each['spec'].podSelector?.matchLabels?.[COMPONENT] === component,
    )?.['spec'];
  const called = new Map<string, ReadonlySet<string>>();
  for (const { metadata, spec } of pods) {
    const configMap = spec.volumes.find((volume: Part) => volume.name === 'config').configMap.name;
    const config: unknown = JSON.parse(
      manifests.find((each) => each.kind === 'ConfigMap' && each.metadata.name === configMap)?.['data']['config.json'],
    );
    const targets = textsIn(config).flatMap((text) => componentOf(text, release) ?? []);
    called.set(metadata.labels[COMPONENT], new Set(targets));
  }
  const differences: string[] = [];
  for (const [component, targets] of called) {
    const policy = policyOf(component);
    const mayCall = new Set(peersOf(policy?.egress, 'to', 50_051));
    for (const target of targets) {
      if (!mayCall.has(target)) differences.push(`${component} calls ${target}, and its policy does not let it out`);
      const lets = peersOf(policyOf(target)?.ingress, 'from', 50_051);
      if (!lets.includes(component)) differences.push(`${component} calls ${target}, whose policy does not let it in`);
    }
    // A setting that is left out here is one that somebody may set.
    const mayEver = (from: string, to: string): boolean =>
      edges.some((edge) => edge.from === roleOf(from) && (edge.to === roleOf(to) || edge.to === '*'));
    for (const peer of mayCall)
      if (!targets.has(peer) && !mayEver(component, peer))
        differences.push(`${component} may call ${peer}, and never does`);
    for (const peer of peersOf(policy?.ingress, 'from', 50_051)) {
      // Not every caller has a server of its own: the migration and the chart's test.
      if (peer === 'migrate' || peer === 'test') continue;
      if (called.get(peer)?.has(component) !== true && !mayEver(peer, component))
        differences.push(`${component} lets ${peer} in, who never calls`);
    }
  }
  const [first] = pods;
  return differences.map((what) => ({
    object: first === undefined ? '' : nameOf(first.owner).replace(/\/.*/, ''),
    rule: 'policy',
    what,
  }));
};
