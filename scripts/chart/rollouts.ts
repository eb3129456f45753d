import { SERVICES, type ServiceName } from '@tillmesh/local-mesh';
import { type Manifest, renderManifests } from './render.ts';

/** How Kubernetes upgrades one of the chart's workloads, by the chart's own numbers. */
export type Rollout = {
  readonly service: ServiceName;
  readonly replicas: number;
  /** `surge`: a new one is ready before an old one goes. `in_place`: the one that has a volume goes, and comes back. */
  readonly order: 'surge' | 'in_place';
  /** So long a new one has to be ready before an old one goes. */
  readonly minReadyMs: number;
  readonly preStopMs: number;
  readonly drainMs: number;
  readonly graceMs: number;
};

const COMPONENT = 'app.kubernetes.io/component';

const isService = (name: string): name is ServiceName => SERVICES.some((service) => service === name);

const drainMsOf = (config: Manifest): number => {
  const { server } = JSON.parse(config['data']['config.json']) as { readonly server: { readonly drainMs: number } };
  return server.drainMs;
};

/** What the rollout of a Deployment or StatefulSet would do. @throws {Error} where the chart does something that is not played here. */
const rolloutOf = (workload: Manifest, config: Manifest, service: ServiceName): Rollout => {
  const { spec } = workload;
  const pod = spec.template.spec;
  const order = workload.kind === 'StatefulSet' ? 'in_place' : 'surge';
  // A quarter of up to four, rounded up, is one: one new instance at a time, and none of the old ones goes before.
  const { maxUnavailable, maxSurge } = spec.strategy?.rollingUpdate ?? {};
  const isPlayed = order === 'in_place' || (maxUnavailable === 0 && maxSurge === '25%' && spec.replicas <= 4);
  if (!isPlayed) throw new Error(`the rollout of ${workload.metadata.name} is another one than the drill plays`);
  return {
    service,
    replicas: spec.replicas,
    order,
    minReadyMs: spec.minReadySeconds * 1_000,
    preStopMs: pod.containers[0].lifecycle.preStop.sleep.seconds * 1_000,
    drainMs: drainMsOf(config),
    graceMs: pod.terminationGracePeriodSeconds * 1_000,
  };
};

/** The rollouts of all services of the chart, each with so many replicas at most. */
export const rolloutsOfChart = async (replicasMax: number): Promise<readonly Rollout[]> => {
  const manifests = await renderManifests();
  const ofKind = (kinds: readonly string[]) => manifests.filter(({ kind }) => kinds.includes(kind));
  return ofKind(['Deployment', 'StatefulSet']).flatMap((workload) => {
    const service = workload.metadata.labels?.[COMPONENT] ?? '';
    if (!isService(service) || service === 'sandbox') return [];
    const config = ofKind(['ConfigMap']).find(({ metadata }) => metadata.name === workload.metadata.name);
    if (config === undefined) throw new Error(`${workload.metadata.name} has no configuration`);
    const rollout = rolloutOf(workload, config, service);
    return [{ ...rollout, replicas: Math.min(rollout.replicas, replicasMax) }];
  });
};
