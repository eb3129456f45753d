import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { root } from '../run-program.ts';
import { helm } from './helm.ts';

/** An object of Kubernetes, as far as it is looked at here. */
export type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  // oxlint-disable-next-line typescript/no-explicit-any -- Any kind of object; what is read of it is checked by the walk over its schema.
  readonly [key: string]: any;
};

export type RenderOptions = {
  /** Paths of values files, later ones over earlier ones, relative to the repository. */
  readonly values?: readonly string[];
  /** `--set` words. */
  readonly set?: readonly string[];
  readonly kubeVersion?: string;
  /** APIs that the cluster has besides, such as `keda.sh/v1alpha1`. */
  readonly apis?: readonly string[];
  readonly release?: string;
  readonly namespace?: string;
  /** Absolute path of another chart than the checkout's. */
  readonly chart?: string;
};

/** What `helm template` gives: the objects, or what it complains about. */
export type Rendered =
  | { readonly kind: 'rendered'; readonly text: string; readonly manifests: readonly Manifest[] }
  | { readonly kind: 'refused'; readonly message: string };

const ownChart = join(root, 'helm', 'tillmesh');

/** The newest and the oldest Kubernetes that the chart is for. */
export const KUBE_VERSIONS = ['1.30.0', '1.32.0', '1.34.0', '1.36.0'] as const;

/** Renders the chart as `helm install` would. */
export const render = async (options: RenderOptions = {}): Promise<Rendered> => {
  const { values = [], set = [], kubeVersion = '1.34.0', apis = [], release = 'pay' } = options;
  const { namespace = 'payments', chart = ownChart } = options;
  const { status, output } = await helm([
    'template',
    release,
    chart,
    '--namespace',
    namespace,
    '--kube-version',
    kubeVersion,
    ...values.flatMap((path) => ['--values', join(root, path)]),
    ...set.flatMap((word) => ['--set-json', word]),
    ...apis.flatMap((api) => ['--api-versions', api]),
  ]);
  if (status !== 0) return { kind: 'refused', message: output };
  const manifests = parseAllDocuments(output).flatMap((document): Manifest[] => {
    if (document.errors.length > 0) throw new Error(document.errors.map(({ message }) => message).join('\n'));
    const value: unknown = document.toJS();
    return value === null ? [] : [value as Manifest];
  });
  return { kind: 'rendered', text: output, manifests };
};

/** The objects. @throws {Error} with helm's words where it refuses the values. */
export const renderManifests = async (options: RenderOptions = {}): Promise<readonly Manifest[]> => {
  const rendered = await render(options);
  if (rendered.kind === 'refused') throw new Error(rendered.message);
  return rendered.manifests;
};
