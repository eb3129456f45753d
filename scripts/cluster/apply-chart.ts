import type { Manifest } from '../chart/render.ts';
import { nameOf } from '../chart/walk.ts';
import type { ApiClient, Kept } from './api-client.ts';

/** What came of applying objects. */
export type Applied = {
  /** What was refused or warned of, in the API server's words. */
  readonly complaints: readonly string[];
  /** Version of each object that was accepted, by kind and name. */
  readonly versions: ReadonlyMap<string, string>;
};

/** Makes a namespace whose pods have to keep to the strictest of Kubernetes' pod security standards. */
export const createNamespace = async (client: ApiClient, name: string): Promise<void> => {
  const strict = Object.fromEntries(
    ['enforce', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted']),
  );
  const { status, body } = await client.ask('POST', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: strict },
  });
  if (status !== 201) throw new Error(`the namespace ${name} cannot be made: ${JSON.stringify(body)}`);
};

/** Server-side apply of all objects, one after the other, as `kubectl apply --server-side` does. */
export const applyAll = async (
  client: ApiClient,
  manifests: readonly Manifest[],
  namespace: string,
): Promise<Applied> => {
  const complaints: string[] = [];
  const versions = new Map<string, string>();
  for (const manifest of manifests) {
    const name = nameOf(manifest);
    const { status, body, warnings } = await client.apply(manifest, namespace);
    for (const warning of warnings) complaints.push(`${name}: warning: ${warning}`);
    if (status === 200 || status === 201) versions.set(name, (body as Kept).metadata.resourceVersion);
    else complaints.push(`${name}: ${status}: ${(body as { readonly message?: string }).message ?? String(body)}`);
  }
  return { complaints, versions };
};

/** Objects that are another version than before. */
export const changedSince = (before: Applied, after: Applied): readonly string[] =>
  [...after.versions].filter(([name, version]) => before.versions.get(name) !== version).map(([name]) => name);
