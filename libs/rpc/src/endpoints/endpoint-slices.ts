import { type Clock, systemClock } from '@tillmesh/clock';
import type { KubernetesApi } from './kubernetes-api.ts';

/** An EndpointSlice of discovery.k8s.io/v1, as far as it is used here. */
export type EndpointSlice = {
  readonly metadata?: { readonly name?: string; readonly resourceVersion?: string };
  readonly addressType?: string;
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[];
  readonly endpoints?: readonly {
    readonly addresses?: readonly string[];
    readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean };
  }[];
};

type SliceList = {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly items?: readonly EndpointSlice[];
};
type Change = { readonly type?: string; readonly object?: EndpointSlice };

export const SLICE_TIMES = {
  /** A watch is opened again after so long at the latest, s; the server ends it. */
  watchSeconds: 300,
  /** After a failure, ms. */
  againMs: 1_000,
} as const;

/** host:port of every endpoint that takes calls; where none is ready, of those that serve while they end. */
export const addressesOf = (slices: Iterable<EndpointSlice>, port: string): readonly string[] => {
  const ready = new Set<string>();
  const serving = new Set<string>();
  for (const { addressType, ports = [], endpoints = [] } of slices) {
    const number = ports.find((own) => own.name === port || String(own.port) === port)?.port;
    if (number === undefined || addressType === 'FQDN') continue;
    for (const { addresses = [], conditions = {} } of endpoints) {
      const [address] = addresses;
      if (address === undefined) continue;
      const text = addressType === 'IPv6' ? `[${address}]:${number}` : `${address}:${number}`;
      // Unknown counts as ready, by the API's own words.
      if (conditions.ready !== false) ready.add(text);
      else if (conditions.serving === true) serving.add(text);
    }
  }
  return [...(ready.size > 0 ? ready : serving)].toSorted();
};

/**
 * Follows the EndpointSlices of a service until the signal is aborted, through lost connections and versions that are too old.
 *
 * @param onAddresses gets host:port of all endpoints whenever they are others.
 * @param onFailure gets why nothing could be learned; it is tried again after a second.
 */
export const followEndpointSlices = async (options: {
  readonly api: KubernetesApi;
  readonly namespace: string;
  readonly service: string;
  /** Name or number. */
  readonly port: string;
  readonly signal: AbortSignal;
  readonly onAddresses: (addresses: readonly string[]) => void;
  readonly onFailure: (error: unknown) => void;
  readonly clock?: Clock;
}): Promise<void> => {
  const { api, namespace, service, port, signal, onAddresses, onFailure, clock = systemClock } = options;
  const selector = encodeURIComponent(`kubernetes.io/service-name=${service}`);
  const path = `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices?labelSelector=${selector}`;
  const slices = new Map<string, EndpointSlice>();
  let known = '';
  const tell = (): void => {
    const addresses = addressesOf(slices.values(), port);
    if (addresses.join(',') === known) return;
    known = addresses.join(',');
    onAddresses(addresses);
  };
  let version = '';
  const list = async (): Promise<void> => {
    const { items = [], metadata } = (await api.read(path, signal)) as SliceList;
    slices.clear();
    for (const slice of items) slices.set(slice.metadata?.name ?? '', slice);
    version = metadata?.resourceVersion ?? '';
    tell();
  };
  const watch = async (): Promise<void> => {
    const query = `&watch=1&allowWatchBookmarks=true&timeoutSeconds=${SLICE_TIMES.watchSeconds}&resourceVersion=${version}`;
    for await (const line of api.lines(path + query, signal)) {
      const { type, object } = line as Change;
      // Such as 410: what happened since is forgotten there, so everything is read again.
      if (type === 'ERROR' || object === undefined) {
        version = '';
        return;
      }
      version = object.metadata?.resourceVersion ?? version;
      if (type === 'DELETED') slices.delete(object.metadata?.name ?? '');
      else if (type !== 'BOOKMARK') slices.set(object.metadata?.name ?? '', object);
      tell();
    }
  };
  while (!signal.aborted) {
    try {
      if (version === '') await list();
      await watch();
    } catch (error) {
      if (signal.aborted) return;
      version = '';
      onFailure(error);
      await clock.sleep(SLICE_TIMES.againMs, signal).catch(() => undefined);
    }
  }
};
