import { experimental } from '@grpc/grpc-js';
import { counter } from '@tillmesh/telemetry';
import { followEndpointSlices } from './endpoint-slices.ts';
import { kubernetesApi } from './kubernetes-api.ts';
import { endpointsOf, PolledDns, unresolved } from './polled-dns.ts';

const { registerResolver, splitHostPort, statusOrFromValue } = experimental;

const failures = counter(
  'tillmesh_rpc_slice_failures_total',
  'Times that EndpointSlices could not be read or watched.',
  ['target'],
);

// service.namespace:port, the port by name or number.
const PATH = /^([a-z0-9-]{1,63})\.([a-z0-9-]{1,63}):([a-z0-9-]{1,15})$/;

type Parts = { readonly service: string; readonly namespace: string; readonly port: string };

/** @throws {TypeError} where the path is not service.namespace:port. */
const partsOf = (path: string): Parts => {
  const [, service, namespace, port] = PATH.exec(path) ?? [];
  if (service === undefined || namespace === undefined || port === undefined) {
    throw new TypeError(`kubernetes:///${path} is not kubernetes:///service.namespace:port`);
  }
  return { service, namespace, port };
};

/**
 * Knows a service's instances from the EndpointSlices of Kubernetes as soon as they come, get ready or begin to end. While the API
 * refuses (no RBAC for it) or is away and nothing is known yet, a target with a numeric port goes by DNS.
 */
export class KubernetesResolver implements experimental.Resolver {
  readonly #target: experimental.GrpcUri;
  readonly #listener: experimental.ResolverListener;
  readonly #parts: Parts;
  #following: AbortController | undefined;
  #byDns: PolledDns | undefined;
  #isKnown = false;

  constructor(target: experimental.GrpcUri, listener: experimental.ResolverListener) {
    this.#target = target;
    this.#listener = listener;
    this.#parts = partsOf(target.path);
  }

  // Without the port: a name is none of a URL, and no connection would come about.
  static getDefaultAuthority({ path }: experimental.GrpcUri): string {
    const { service, namespace } = partsOf(path);
    return `${service}.${namespace}`;
  }

  updateResolution(): void {
    if (this.#following !== undefined) return;
    const following = new AbortController();
    this.#following = following;
    void followEndpointSlices({
      api: kubernetesApi(this.#target.authority ?? ''),
      ...this.#parts,
      signal: following.signal,
      onAddresses: (addresses) => {
        if (!following.signal.aborted) this.#tell(addresses);
      },
      onFailure: (error) => {
        failures.add({ target: this.#target.path });
        if (!following.signal.aborted) this.#withoutApi(error);
      },
    });
  }

  destroy(): void {
    this.#following?.abort();
    this.#following = undefined;
    this.#endDns();
    this.#isKnown = false;
  }

  #tell(addresses: readonly string[]): void {
    // A service without an instance keeps its last ones: calls to them fail no worse than calls to none.
    if (addresses.length === 0) {
      if (!this.#isKnown)
        this.#listener(unresolved(`${this.#target.path} has no endpoint that is ready`), {}, null, '');
      return;
    }
    this.#isKnown = true;
    this.#endDns();
    const split = addresses.map(splitHostPort).filter((each) => each !== null);
    this.#listener(statusOrFromValue(endpointsOf(split.map(({ host, port = 0 }) => ({ host, port })))), {}, null, '');
  }

  #withoutApi(error: unknown): void {
    if (this.#isKnown || this.#byDns !== undefined) return;
    const { service, namespace, port } = this.#parts;
    if (Number.isNaN(Number(port))) {
      const why = error instanceof Error ? error.message : String(error);
      this.#listener(
        unresolved(`${this.#target.path}: ${why}; give it RBAC for endpointslices or a numeric port`),
        {},
        null,
        '',
      );
      return;
    }
    this.#byDns = new PolledDns({ path: `${service}.${namespace}.svc:${port}` }, this.#listener);
    this.#byDns.updateResolution();
  }

  #endDns(): void {
    this.#byDns?.destroy();
    this.#byDns = undefined;
  }
}

registerResolver('kubernetes', KubernetesResolver);
