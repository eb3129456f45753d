import { Resolver as DnsServerResolver, lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type ChannelOptions, experimental, Metadata, status } from '@grpc/grpc-js';
import { type Cancel, systemClock, systemRandom } from '@tillmesh/clock';
import { counter } from '@tillmesh/telemetry';

const { registerResolver, splitHostPort, statusOrFromError, statusOrFromValue } = experimental;

/** The scheme that `dns:` targets of our clients have inside grpc-js. */
export const POLLED_DNS = 'tillmesh-dns';

export const DNS_TIMES = {
  /** Between two questions, ms; a tenth more or less, so that processes that started together do not ask together. */
  everyMs: 2_000,
  /** After a question that failed, ms. */
  againMs: 1_000,
  /** A server that is named in the target has to answer within, ms. */
  answerMsMax: 2_000,
} as const;

const failures = counter(
  'tillmesh_rpc_resolution_failures_total',
  'Questions for the addresses of a target that failed.',
  ['target'],
);

type Address = { readonly host: string; readonly port: number };

const textOf = ({ host, port }: Address): string => `${host}:${port}`;

/** Endpoints of grpc-js, each with one address. */
export const endpointsOf = (addresses: readonly Address[]): experimental.Endpoint[] =>
  addresses.map((address) => ({ addresses: [address] }));

/** @param why what could not be found out and what to look at. */
export const unresolved = (why: string) =>
  statusOrFromError<experimental.Endpoint[]>({ code: status.UNAVAILABLE, details: why, metadata: new Metadata() });

/** Asks the machine's resolver, or the server that the target names: `dns://127.0.0.1:5353/name:port`. */
const askerOf = (server: string): ((host: string) => Promise<readonly string[]>) => {
  if (server === '') {
    return async (host) => (await lookup(host, { all: true, order: 'verbatim' })).map(({ address }) => address);
  }
  const resolver = new DnsServerResolver({ timeout: DNS_TIMES.answerMsMax, tries: 1 });
  resolver.setServers([server]);
  return (host) => resolver.resolve4(host);
};

/**
 * Asks DNS again and again, so that an instance more or less is noticed within seconds: grpc-js' own resolver asks only when a
 * connection is lost, and never learns of instances that were added. A list is kept while DNS fails: its outage is not theirs.
 */
export class PolledDns implements experimental.Resolver {
  readonly #listener: experimental.ResolverListener;
  readonly #target: string;
  readonly #host: string;
  readonly #port: number;
  readonly #ask: (host: string) => Promise<readonly string[]>;
  #cancel: Cancel | undefined;
  #known: string | undefined;

  constructor(target: experimental.GrpcUri, listener: experimental.ResolverListener, _options?: ChannelOptions) {
    const { host, port } = addressOf(target);
    this.#target = target.path;
    this.#host = host;
    this.#port = port;
    this.#ask = isIP(host) === 0 ? askerOf(target.authority ?? '') : async () => [host];
    this.#listener = listener;
  }

  static getDefaultAuthority(target: experimental.GrpcUri): string {
    return target.path;
  }

  updateResolution(): void {
    if (this.#cancel === undefined) this.#askAfter(0);
  }

  destroy(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#known = undefined;
  }

  #askAfter(ms: number): void {
    const cancel = systemClock.after(ms, () => {
      this.#once(() => this.#cancel === cancel).then(
        (nextMs) => {
          if (this.#cancel === cancel && nextMs !== undefined) this.#askAfter(nextMs);
        },
        () => undefined,
      );
    });
    this.#cancel = cancel;
  }

  /** @returns when to ask again, ms; undefined for never. */
  async #once(isWanted: () => boolean): Promise<number | undefined> {
    try {
      const hosts = await this.#ask(this.#host);
      if (isWanted()) this.#tell([...new Set(hosts)].toSorted().map((host) => ({ host, port: this.#port })));
      return isIP(this.#host) === 0 ? DNS_TIMES.everyMs * (0.9 + 0.2 * systemRandom.fraction()) : undefined;
    } catch (error) {
      failures.add({ target: this.#target });
      if (isWanted() && this.#known === undefined) {
        const why = error instanceof Error ? error.message : String(error);
        this.#listener(unresolved(`no address of ${this.#target} is known: ${why}`), {}, null, '');
      }
      return DNS_TIMES.againMs;
    }
  }

  #tell(addresses: readonly Address[]): void {
    const text = addresses.map(textOf).join(',');
    // The same list again would take every connection out of the rotation for a moment.
    if (addresses.length === 0 || text === this.#known) return;
    this.#known = text;
    this.#listener(statusOrFromValue(endpointsOf(addresses)), {}, null, '');
  }
}

/** @throws {TypeError} where the target has no port. */
const addressOf = ({ path }: experimental.GrpcUri): Address => {
  const split = splitHostPort(path);
  if (split?.port === undefined) throw new TypeError(`${path} is not host:port; set the target with its port`);
  return { host: split.host, port: split.port };
};

registerResolver(POLLED_DNS, PolledDns);
