import type { Manifest } from './render.ts';
import { type Finding, nameOf } from './walk.ts';

// What kube-linter, polaris and kube-score ask for by default, as rules of our own: each is found by a sample in the tests.

// oxlint-disable-next-line typescript/no-explicit-any -- Parts of objects whose fields the schema's walk has checked.
type Part = any;

/** A pod that some object makes. */
export type Pod = { readonly owner: Manifest; readonly metadata: Part; readonly spec: Part };

const WORKLOADS = new Set(['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob', 'Pod']);
const RUNS_ON = new Set(['Deployment', 'StatefulSet', 'DaemonSet']);

/** Every pod that the objects would make. */
export const podsOf = (manifests: readonly Manifest[]): readonly Pod[] =>
  manifests
    .filter(({ kind }) => WORKLOADS.has(kind))
    .map((owner) => {
      if (owner.kind === 'Pod') return { owner, metadata: owner.metadata, spec: owner['spec'] };
      const spec: Part = owner.kind === 'CronJob' ? owner['spec'].jobTemplate.spec : owner['spec'];
      return { owner, metadata: spec.template.metadata, spec: spec.template.spec };
    });

const matches = (selector: Part, labels: Readonly<Record<string, string>> = {}): boolean =>
  Object.entries((selector ?? {}) as Record<string, string>).every(([key, value]) => labels[key] === value);

type Rule = {
  readonly name: string;
  readonly find: (context: {
    readonly manifests: readonly Manifest[];
    readonly pods: readonly Pod[];
  }) => readonly (readonly [Manifest, string])[];
};

const inPods = (name: string, find: (pod: Pod) => readonly string[]): Rule => ({
  name,
  find: ({ pods }) => pods.flatMap((pod) => find(pod).map((what): [Manifest, string] => [pod.owner, what])),
});

const inContainers = (name: string, find: (container: Part, pod: Pod) => readonly (string | false)[]): Rule =>
  inPods(name, (pod) =>
    [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])].flatMap((container: Part) =>
      find(container, pod).flatMap((what) => (what === false ? [] : [`${container.name}: ${what}`])),
    ),
  );

const portsOf = (pod: Pod): readonly (string | number)[] =>
  pod.spec.containers.flatMap((container: Part) =>
    (container.ports ?? []).flatMap((port: Part) => [port.name, port.containerPort]),
  );

const probePort = (probe: Part): string | number | undefined =>
  probe?.grpc?.port ?? probe?.httpGet?.port ?? probe?.tcpSocket?.port;

/** Hosts that services call by gRPC, in their configuration. */
const GRPC_TARGETS = /(?:dns|kubernetes):\/\/\/([^:"]+):(?:50051|grpc)/g;

/** Every rule. */
export const rules: readonly Rule[] = [
  inPods('run-as-non-root', ({ spec }) => (spec.securityContext?.runAsNonRoot === true ? [] : ['may run as root'])),
  inPods('seccomp', ({ spec }) =>
    spec.securityContext?.seccompProfile?.type === 'RuntimeDefault' ? [] : ['has no seccomp profile'],
  ),
  inPods('host-namespaces', ({ spec }) =>
    ['hostNetwork', 'hostPID', 'hostIPC'].filter((key) => spec[key] === true).map((key) => `has ${key}`),
  ),
  inPods('host-volumes', ({ spec }) =>
    (spec.volumes ?? []).flatMap((volume: Part) =>
      volume.hostPath === undefined ? [] : [`mounts the host's ${volume.hostPath.path}`],
    ),
  ),
  {
    name: 'service-account-token',
    find: ({ manifests, pods }) =>
      pods
        .filter(({ spec }) => spec.automountServiceAccountToken !== false)
        .filter(
          ({ spec }) =>
            !manifests.some(
              (each) =>
                each.kind === 'RoleBinding' &&
                each['subjects'].some((subject: Part) => subject.name === spec.serviceAccountName),
            ),
        )
        .map(({ owner }): [Manifest, string] => [owner, 'mounts a token with which it may do nothing']),
  },
  inPods('service-account', ({ spec }) =>
    spec.serviceAccountName === undefined ? ['has no service account of its own'] : [],
  ),
  inPods('anti-affinity', ({ owner, spec }) =>
    RUNS_ON.has(owner.kind) && (owner['spec'].replicas ?? 2) > 1 && spec.affinity?.podAntiAffinity === undefined
      ? ['may have all its pods on one node']
      : [],
  ),
  inContainers('read-only-root', ({ securityContext }) => [
    securityContext?.readOnlyRootFilesystem !== true && 'writes to its root file system',
  ]),
  inContainers('privilege', ({ securityContext }) => [
    securityContext?.allowPrivilegeEscalation !== false && 'may gain privileges',
    securityContext?.privileged === true && 'is privileged',
    securityContext?.capabilities?.drop?.[0] !== 'ALL' && 'keeps capabilities',
  ]),
  inContainers('resources', ({ resources }) => [
    resources?.requests?.cpu === undefined && 'requests no CPU',
    resources?.requests?.memory === undefined && 'requests no memory',
    resources?.limits?.memory === undefined && 'has no limit of memory',
  ]),
  inContainers('image-tag', ({ image }) => [/:latest$|^[^:@]+$/.test(String(image)) && `has the image ${image}`]),
  inContainers('secret-in-environment', ({ env = [] }) =>
    env.flatMap((each: Part) =>
      each.valueFrom?.secretKeyRef === undefined ? [] : [`reads the secret ${each.name} from its environment`],
    ),
  ),
  inContainers('duplicate-environment', ({ env = [] }) => {
    const names: string[] = env.map((each: Part) => each.name);
    return names.filter((each, place) => names.indexOf(each) !== place).map((each) => `sets ${each} twice`);
  }),
  inContainers('mounts', ({ volumeMounts = [] }, { owner, spec }) => {
    const claims = (owner['spec'].volumeClaimTemplates ?? []).map((claim: Part) => claim.metadata.name);
    const volumes = new Set([...(spec.volumes ?? []).map((volume: Part) => volume.name), ...claims]);
    return volumeMounts.flatMap((mount: Part) =>
      volumes.has(mount.name) ? [] : [`mounts ${mount.name}, which is no volume`],
    );
  }),
  inContainers('probes', ({ name, livenessProbe, readinessProbe, ...container }, pod) => {
    if (!RUNS_ON.has(pod.owner.kind) || name === 'keeper') return [];
    const ports = new Set(portsOf(pod));
    const probes = { livenessProbe, readinessProbe, startupProbe: container.startupProbe };
    return [
      livenessProbe === undefined && 'has no liveness probe',
      readinessProbe === undefined && 'has no readiness probe',
      JSON.stringify(livenessProbe) === JSON.stringify(readinessProbe) &&
        'has the same probe for liveness and readiness',
      ...Object.entries(probes).map(([which, probe]) => {
        const port = probePort(probe);
        return port !== undefined && !ports.has(port) && `its ${which} asks port ${port}, which it does not have`;
      }),
    ];
  }),
  {
    name: 'job-ttl',
    find: ({ manifests }) =>
      manifests
        .filter(({ kind, ...job }) => kind === 'Job' && job['spec'].ttlSecondsAfterFinished === undefined)
        .map((job): [Manifest, string] => [job, 'stays for ever when it has ended']),
  },
  {
    name: 'dangling-service',
    find: ({ manifests, pods }) =>
      manifests
        .filter(({ kind }) => kind === 'Service')
        .flatMap((service): [Manifest, string][] => {
          const chosen = pods.filter(
            ({ owner, metadata }) => RUNS_ON.has(owner.kind) && matches(service['spec'].selector, metadata.labels),
          );
          if (chosen.length === 0) return [[service, 'selects no pod']];
          return service['spec'].ports
            .filter((port: Part) => !chosen.some((pod) => portsOf(pod).includes(port.targetPort ?? port.port)))
            .map((port: Part): [Manifest, string] => [service, `its port ${port.name} leads to no port of its pods`]);
        }),
  },
  {
    name: 'selector',
    find: ({ pods }) =>
      pods
        .filter(
          ({ owner, metadata }) =>
            RUNS_ON.has(owner.kind) && !matches(owner['spec'].selector.matchLabels, metadata.labels),
        )
        .map(({ owner }): [Manifest, string] => [owner, 'does not select its own pods']),
  },
  {
    name: 'one-owner',
    find: ({ pods }) => {
      const owners = pods.filter(({ owner }) => RUNS_ON.has(owner.kind));
      return owners.flatMap(({ owner }): [Manifest, string][] =>
        owners
          .filter(
            (other) => other.owner !== owner && matches(owner['spec'].selector.matchLabels, other.metadata.labels),
          )
          .map((other) => [owner, `selects the pods of ${nameOf(other.owner)} as well`]),
      );
    },
  },
  {
    name: 'existing-objects',
    find: ({ manifests, pods }) => {
      const has = (kind: string, name: string) =>
        manifests.some((each) => each.kind === kind && each.metadata.name === name);
      return pods.flatMap(({ owner, spec }): [Manifest, string][] => [
        ...(has('ServiceAccount', spec.serviceAccountName)
          ? []
          : [[owner, `its service account ${spec.serviceAccountName} is not there`] as [Manifest, string]]),
        ...(spec.volumes ?? []).flatMap((volume: Part): [Manifest, string][] => {
          const name = volume.configMap?.name;
          if (name === undefined) return [];
          const found = manifests.find((each) => each.kind === 'ConfigMap' && each.metadata.name === name);
          if (found === undefined) return [[owner, `its config map ${name} is not there`]];
          const keys = Object.keys(found['data'] ?? {});
          return (volume.configMap.items ?? [])
            .filter((item: Part) => !keys.includes(item.key))
            .map((item: Part): [Manifest, string] => [owner, `${item.key} is not in its config map ${name}`]);
        }),
      ]);
    },
  },
  {
    name: 'certificate-names',
    find: ({ manifests }) => {
      const certificates = manifests.filter(({ kind }) => kind === 'Certificate');
      const names = new Set(certificates.flatMap((each) => each['spec'].dnsNames as string[]));
      if (certificates.length === 0) return [];
      return manifests
        .filter(({ kind }) => kind === 'ConfigMap')
        .flatMap((map): [Manifest, string][] =>
          Object.values((map['data'] ?? {}) as Record<string, string>)
            .flatMap((text) => [...text.matchAll(GRPC_TARGETS)].map(([, host = '']) => host))
            .filter((host) => !names.has(host))
            .map((host) => [map, `${host} is called by TLS, and stands in no certificate`]),
        );
    },
  },
  {
    name: 'disruption-budget',
    find: ({ manifests, pods }) =>
      pods
        .filter(({ owner }) => RUNS_ON.has(owner.kind) && (owner['spec'].replicas ?? 2) > 1)
        .flatMap(({ owner, metadata }): [Manifest, string][] => {
          const budgets = manifests.filter(
            (each) =>
              each.kind === 'PodDisruptionBudget' && matches(each['spec'].selector.matchLabels, metadata.labels),
          );
          if (budgets.length !== 1) return [[owner, `has ${budgets.length} disruption budgets`]];
          const [budget] = budgets;
          return budget?.['spec'].unhealthyPodEvictionPolicy === 'AlwaysAllow'
            ? []
            : [[owner, 'its disruption budget keeps a node for a pod that does not serve']];
        }),
  },
  {
    name: 'network-policy',
    find: ({ manifests, pods }) =>
      pods.flatMap(({ owner, metadata }): [Manifest, string][] => {
        const policies = manifests.filter(
          (each) => each.kind === 'NetworkPolicy' && matches(each['spec'].podSelector?.matchLabels, metadata.labels),
        );
        const covered = new Set(policies.flatMap((each) => each['spec'].policyTypes));
        return covered.has('Ingress') && covered.has('Egress') && policies.length > 1
          ? []
          : [[owner, 'has no network policy of its own']];
      }),
  },
  {
    name: 'autoscaler',
    find: ({ manifests }) =>
      manifests
        .filter(({ kind }) => kind === 'HorizontalPodAutoscaler' || kind === 'ScaledObject')
        .flatMap((scaler): [Manifest, string][] => {
          const { name } = scaler['spec'].scaleTargetRef;
          const target = manifests.find((each) => each.kind === 'Deployment' && each.metadata.name === name);
          if (target === undefined) return [[scaler, `its target ${name} is not there`]];
          return target['spec'].replicas === undefined
            ? []
            : [[scaler, `its target ${name} says how many replicas it has`]];
        }),
  },
  {
    name: 'drain-order',
    find: ({ manifests, pods }) =>
      pods.flatMap(({ owner, spec }): [Manifest, string][] => {
        const configMap = spec.volumes?.find((volume: Part) => volume.name === 'config')?.configMap?.name;
        const text = manifests.find((each) => each.kind === 'ConfigMap' && each.metadata.name === configMap)?.[
          'data'
        ]?.['config.json'];
        const server = text === undefined ? undefined : JSON.parse(text).server;
        if (server === undefined || !RUNS_ON.has(owner.kind)) return [];
        const container = spec.containers[0];
        const sleep = container.lifecycle?.preStop?.sleep?.seconds;
        if (sleep === undefined) return [[owner, 'gets SIGTERM while it is still in the endpoints']];
        const needed = sleep + server.drainMs / 1_000 + 10;
        return needed <= spec.terminationGracePeriodSeconds
          ? []
          : [[owner, `is killed after ${spec.terminationGracePeriodSeconds} s and needs ${needed} s`]];
      }),
  },
  {
    name: 'labels',
    find: ({ manifests }) =>
      manifests
        .filter(
          ({ metadata }) =>
            metadata.labels?.['app.kubernetes.io/name'] === undefined ||
            metadata.labels['app.kubernetes.io/instance'] === undefined,
        )
        .map((each): [Manifest, string] => [each, 'lacks the labels name and instance']),
  },
  {
    name: 'unique',
    find: ({ manifests }) => {
      const names = manifests.map(nameOf);
      return manifests
        .filter((each, place) => names.indexOf(nameOf(each)) !== place)
        .map((each): [Manifest, string] => [each, 'is there twice']);
    },
  },
];

/** Where a rule is not followed, and why that is right. `object` is matched at the end of Kind/name. */
export const exemptions: readonly { readonly rule: string; readonly object: RegExp; readonly because: string }[] = [];

/** Everything that the rules find, without what is exempted. */
export const findByRules = (manifests: readonly Manifest[]): Finding[] => {
  const pods = podsOf(manifests);
  return rules.flatMap(({ name, find }) =>
    find({ manifests, pods })
      .filter(
        ([object]) => !exemptions.some(({ rule, object: pattern }) => rule === name && pattern.test(nameOf(object))),
      )
      .map(([object, what]) => ({ object: nameOf(object), rule: name, what })),
  );
};
