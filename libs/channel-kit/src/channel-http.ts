import type { Clock, Random } from '@tillmesh/clock';
import { durations, type Log, type Span, SpanKind, SpanStatusCode, withSpan } from '@tillmesh/telemetry';
import { DomainRace } from './domains/domain-race.ts';
import { openHostPools } from './domains/host-pools.ts';
import { createLinkQuality } from './domains/link-quality.ts';
import type { HttpExchange, HttpRequest } from './http-exchange.ts';

/** What a client may cost, and how long it waits. */
export type HttpLimits = {
  /** Sockets for each host; as many as all lanes of the channel together let through. */
  readonly connectionsMax: number;
  /** Requests that wait for a socket, for each host; more are refused as not sent. */
  readonly waitingMax: number;
  /** TCP and TLS together, ms. */
  readonly connectTimeoutMs: number;
  /** From the request's last byte to the answer's head, ms. */
  readonly headersTimeoutMs: number;
  /** Between two parts of the answer's body, ms. */
  readonly bodyTimeoutMs: number;
  /** Shorter than the channel's own, so that a socket is rarely used in the moment in which the channel closes it, ms. */
  readonly keepAliveMs: number;
  /** A longer answer is given up. */
  readonly answerBytesMax: number;
};

/** A host to call. */
export type HttpHost = {
  readonly baseUrl: string;
  /** Authorities to trust, PEM, and no others; the public ones where it is left out. */
  readonly trustedRoots?: readonly string[];
  /** What this client shows to a host that asks for a certificate, PEM; sockets with it serve its holder alone. */
  readonly clientCertificate?: { readonly holder: string; readonly certificate: string; readonly privateKey: string };
};

/** The only way from a channel's adapter to its channel. */
export type ChannelHttp = {
  /**
   * Sends once, at the domain that answers best; never rejects. What one domain certainly did not get goes to another one with
   * the same bytes, once, and so does what it may have got where the request is repeatable.
   */
  send(request: HttpRequest): Promise<HttpExchange>;
  /** Ends all sockets. Exchanges under way end as `maybe_sent`. */
  close(): Promise<void>;
};

const exchangeSeconds = durations('tillmesh_channel_http_seconds', 'Time of HTTP exchanges with a channel.', [
  'channel',
  'host',
  'end',
]);

/** Of our own making: another domain would not take it either. */
const NOT_THE_HOSTS: ReadonlySet<string> = new Set([
  'aborted',
  'contract_full',
  'contract_rate',
  'host_not_configured',
  'pool_full',
  'sink_failed',
]);

const portOf = (url: URL): number => (url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port));

const endOf = (exchange: HttpExchange): string =>
  exchange.kind === 'answered' ? String(exchange.status) : exchange.cause;

const noteEnd = (span: Span, exchange: HttpExchange): void => {
  if (exchange.kind === 'answered') span.setAttribute('http.response.status_code', exchange.status);
  if (exchange.kind === 'answered' && exchange.status < 400) return;
  span.setAttribute('error.type', endOf(exchange));
  span.setStatus({ code: SpanStatusCode.ERROR, message: endOf(exchange) });
};

/** What is known when a request went to two domains: the first may have got it, so the second's silence proves nothing. */
const together = (first: HttpExchange, second: HttpExchange): HttpExchange => {
  const sends = (first.sends + second.sends) as 0 | 1 | 2;
  if (second.kind === 'not_sent' && first.kind === 'maybe_sent') return { ...first, sends };
  return { ...second, sends };
};

/** Base addresses that stand for the same channel, and how the best one is found. */
export type Domains = {
  /** Best first: of each account, or of all that have the same. Those with fewer than two are called as they are. */
  readonly groups: readonly (readonly string[])[];
  /** What a probe asks for, by GET: anything that a healthy domain answers, whatever it says. */
  readonly probePath: string;
  readonly random: Random;
  readonly log: Log;
};

export type ChannelHttpOptions = {
  readonly channelId: string;
  readonly hosts: readonly HttpHost[];
  readonly domains?: Domains;
  readonly limits: HttpLimits;
  readonly clock: Clock;
};

/** Opens the way to a channel's hosts. Nothing is connected before the first request or, where there are domains to choose from, the first probe. */
export const createChannelHttp = (options: ChannelHttpOptions): ChannelHttp => {
  const { channelId, hosts, domains, limits, clock } = options;
  const quality = createLinkQuality(channelId);
  const races = new Map<string, DomainRace>();
  const pools = openHostPools({
    hosts,
    limits,
    quality,
    onLate: (baseUrl) => races.get(baseUrl)?.doubt(baseUrl),
    clock,
  });
  const openRaces = ({ groups, probePath, random, log }: Domains): void => {
    const probe = async (baseUrl: string, signal: AbortSignal): Promise<boolean> => {
      const headers = { accept: '*/*' };
      const request = { baseUrl, method: 'GET', path: probePath, pathTemplate: probePath, headers, signal } as const;
      return (await pools.exchange(request)).kind === 'answered';
    };
    for (const group of groups) {
      if (group.length < 2 || group.some((domain) => races.has(domain))) continue;
      const race = new DomainRace({ channelId, domains: group, probe, clock, random, log });
      for (const domain of group) races.set(domain, race);
      race.start();
    }
  };
  if (domains !== undefined) openRaces(domains);

  /** One exchange with one domain, as a span of its own: a trace shows where it went and what came of it. */
  const exchange = (request: HttpRequest): Promise<HttpExchange> => {
    const url = new URL(request.baseUrl);
    const attributes = {
      'http.request.method': request.method,
      'server.address': url.hostname,
      'server.port': portOf(url),
      'url.path': request.pathTemplate,
    };
    return withSpan(
      `${request.method} ${request.pathTemplate}`,
      { kind: SpanKind.CLIENT, attributes },
      async (span) => {
        const beganMs = clock.monotonicMs();
        const result = await pools.exchange(request);
        const labels = { channel: channelId, host: url.host, end: endOf(result) };
        exchangeSeconds.record(labels, (clock.monotonicMs() - beganMs) / 1_000);
        noteEnd(span, result);
        return result;
      },
    );
  };

  return {
    send: async (request) => {
      const race = races.get(request.baseUrl);
      if (race === undefined) return exchange(request);
      const baseUrl = race.preferred;
      const { signal, repeatable = false } = request;
      const leaving = race.leaving(baseUrl);
      const first = await exchange({
        ...request,
        baseUrl,
        signal: repeatable ? AbortSignal.any([signal, leaving]) : signal,
      });
      if (first.kind === 'answered' || signal.aborted) return first;
      const isTheHosts = !NOT_THE_HOSTS.has(first.cause) || (repeatable && leaving.aborted);
      if (!isTheHosts) return first;
      race.doubt(baseUrl);
      if (first.kind === 'maybe_sent' && !repeatable) return first;
      return together(first, await exchange({ ...request, baseUrl: race.elsewhere(baseUrl) }));
    },
    close: async () => {
      for (const race of new Set(races.values())) race.stop();
      await pools.close();
    },
  };
};
