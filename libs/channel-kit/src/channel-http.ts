import type { Clock } from '@tillmesh/clock';
import { durations, SpanKind, SpanStatusCode, withSpan } from '@tillmesh/telemetry';
import { Pool } from 'undici';
import { exchangeOver, type HttpExchange, type HttpRequest } from './http-exchange.ts';

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
  /** Authority to trust instead of the public ones, PEM. */
  readonly authority?: string;
  /** What this client shows to a host that asks for a certificate, PEM; sockets with it serve its holder alone. */
  readonly clientCertificate?: { readonly holder: string; readonly certificate: string; readonly privateKey: string };
};

/** The only way from a channel's adapter to its channel. */
export type ChannelHttp = {
  /** Sends once; never repeats by itself, never rejects. */
  send(request: HttpRequest): Promise<HttpExchange>;
  /** Ends all sockets. Exchanges under way end as `maybe_sent`. */
  close(): Promise<void>;
};

const exchangeSeconds = durations('tillmesh_channel_http_seconds', 'Time of HTTP exchanges with a channel.', [
  'channel',
  'host',
  'end',
]);

const ANSWER_HEAD_BYTES_MAX = 16 * 1_024;

const createPool = (host: HttpHost, limits: HttpLimits): Pool =>
  new Pool(new URL(host.baseUrl).origin, {
    connections: limits.connectionsMax,
    // One request on a socket at a time: only then does an error on a socket belong to exactly one request.
    pipelining: 1,
    allowH2: false,
    headersTimeout: limits.headersTimeoutMs,
    bodyTimeout: limits.bodyTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    keepAliveMaxTimeout: limits.keepAliveMs,
    maxHeaderSize: ANSWER_HEAD_BYTES_MAX,
    connect: {
      timeout: limits.connectTimeoutMs,
      ...(host.authority === undefined ? {} : { ca: host.authority }),
      ...(host.clientCertificate === undefined
        ? {}
        : { cert: host.clientCertificate.certificate, key: host.clientCertificate.privateKey }),
    },
  });

const keyOf = (baseUrl: string, certificateHolder: string | undefined): string =>
  `${baseUrl} ${certificateHolder ?? ''}`;

const portOf = (url: URL): number => (url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port));

/** Opens one pool for each host. Nothing is connected before the first request. */
export const createChannelHttp = (options: {
  readonly channelId: string;
  readonly hosts: readonly HttpHost[];
  readonly limits: HttpLimits;
  readonly clock: Clock;
}): ChannelHttp => {
  const { channelId, hosts, limits, clock } = options;
  const entries = new Map(
    hosts.map((host) => [
      keyOf(host.baseUrl, host.clientCertificate?.holder),
      { waiting: 0, pool: createPool(host, limits) },
    ]),
  );

  const exchange = async (request: HttpRequest, url: URL): Promise<HttpExchange> => {
    const entry = entries.get(keyOf(request.baseUrl, request.certificateHolder));
    const refused = (cause: string): HttpExchange => ({ kind: 'not_sent', host: url.host, cause });
    if (entry === undefined) return refused('host_not_configured');
    if (request.signal.aborted) return refused('aborted');
    if (entry.waiting >= limits.waitingMax) return refused('pool_full');
    entry.waiting += 1;
    return exchangeOver(entry.pool, request, {
      host: url.host,
      secure: url.protocol === 'https:',
      answerBytesMax: limits.answerBytesMax,
      onLeftQueue: () => {
        entry.waiting -= 1;
      },
    });
  };

  return {
    send: (request) => {
      const url = new URL(request.baseUrl);
      const attributes = {
        'http.request.method': request.method,
        'server.address': url.hostname,
        'server.port': portOf(url),
        'url.path': request.pathTemplate,
      };
      const name = `${request.method} ${request.pathTemplate}`;
      return withSpan(name, { kind: SpanKind.CLIENT, attributes }, async (span) => {
        const beganMs = clock.monotonicMs();
        const result = await exchange(request, url);
        const end = result.kind === 'answered' ? String(result.status) : result.cause;
        exchangeSeconds.record({ channel: channelId, host: url.host, end }, (clock.monotonicMs() - beganMs) / 1_000);
        if (result.kind === 'answered') span.setAttribute('http.response.status_code', result.status);
        if (result.kind !== 'answered' || result.status >= 400) {
          span.setAttribute('error.type', end);
          span.setStatus({ code: SpanStatusCode.ERROR, message: end });
        }
        return result;
      });
    },
    close: async () => {
      await Promise.all([...entries.values()].map(({ pool }) => pool.destroy()));
    },
  };
};
