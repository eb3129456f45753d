import * as kubernetes from '@kubernetes/client-node';
import type { Manifest } from './render.ts';

/** One thing that is wrong about an object, and where. */
export type Finding = { readonly object: string; readonly rule: string; readonly what: string };

export const nameOf = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.name}`;

type Attribute = { readonly baseName: string; readonly type: string };
type Model = { readonly getAttributeTypeMap?: () => readonly Attribute[] };

/** Fields that the oldest Kubernetes of the chart does not know yet: the models are of 1.36. */
const NEWER_THAN_1_30: ReadonlyMap<string, readonly string[]> = new Map([
  ['V1PodSpec', ['resources', 'hostnameOverride', 'workloadRef', 'schedulingGroup']],
  ['V1Container', ['restartPolicyRules']],
  ['V1Lifecycle', ['stopSignal']],
  ['V1PodSecurityContext', ['supplementalGroupsPolicy', 'seLinuxChangePolicy']],
  ['V1EnvVarSource', ['fileKeyRef']],
  ['V1Volume', ['image']],
  ['V1ProjectedVolumeSource', ['podCertificate']],
  ['V1JobSpec', ['gangPolicy']],
  ['V2MetricTarget', ['tolerance']],
  ['V2HPAScalingRules', ['tolerance']],
]);

/** Kinds that Kubernetes itself does not have; their schemas are their operators'. */
const OF_OPERATORS = /^(?:monitoring\.coreos\.com|keda\.sh|cert-manager\.io)\//;

const models = kubernetes as unknown as Readonly<Record<string, Model | undefined>>;

const modelNames = ({ apiVersion, kind }: Manifest): readonly string[] => {
  const version = (apiVersion.split('/').at(-1) ?? '').replace(/^v/, 'V').replace(/alpha|beta/, (word) => word);
  return [`${version}${kind}`];
};

const SCALARS: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  Date: (value) => typeof value === 'string',
  IntOrString: (value) => typeof value === 'string' || typeof value === 'number',
  any: () => true,
};

/** Finds unknown fields and wrong types, as the API server would with strict validation. */
export const createWalk = (): ((manifest: Manifest) => Finding[]) => {
  const walk = (value: unknown, type: string, path: string): string[] => {
    const list = /^Array<(.+)>$/.exec(type)?.[1];
    if (list !== undefined) {
      if (!Array.isArray(value)) return [`${path}: is no list`];
      return value.flatMap((each, place) => walk(each, list, `${path}/${place}`));
    }
    const map = /^\{ \[key: string\]: (.+); \}$/.exec(type)?.[1];
    if (map !== undefined) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${path}: is no object`];
      return Object.entries(value).flatMap(([key, each]) => walk(each, map, `${path}/${key}`));
    }
    const scalar = SCALARS[type];
    if (scalar !== undefined) return scalar(value) ? [] : [`${path}: is no ${type}`];
    const attributes = models[type]?.getAttributeTypeMap?.();
    if (attributes === undefined)
      return type === 'object' || type === 'Set<string>' ? [] : [`${path}: ${type} is not known`];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${path}: is no ${type}`];
    return Object.entries(value).flatMap(([key, each]) => {
      const attribute = attributes.find(({ baseName }) => baseName === key);
      if (attribute === undefined) return [`${path}/${key}: unknown field in ${type}`];
      if (NEWER_THAN_1_30.get(type)?.includes(key) === true) return [`${path}/${key}: newer than Kubernetes 1.30`];
      return walk(each, attribute.type, `${path}/${key}`);
    });
  };

  return (manifest) => {
    if (OF_OPERATORS.test(manifest.apiVersion)) return [];
    const [model = ''] = modelNames(manifest);
    return walk(manifest, model, nameOf(manifest)).map((what) => ({ object: nameOf(manifest), rule: 'schema', what }));
  };
};
