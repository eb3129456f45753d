import type { Socket } from 'node:net';
import type { Cancel, Clock } from '@tillmesh/clock';
import { buildConnector, Pool } from 'undici';
import type { HttpHost, HttpLimits } from '../channel-http.ts';
import { exchangeOver, type HttpExchange, type HttpRequest } from '../http-exchange.ts';
import type { LinkQuality } from './link-quality.ts';

const ANSWER_HEAD_BYTES_MAX = 16 * 1_024;
/** An answer is late after so many times what is usual, and not before. */
const LATE_FACTOR = 4;
const LATE_MS_MIN = 300;
/** Where nothing is known of a host yet. */
const LATE_MS_UNKNOWN = 1_000;

/** The sockets to all hosts of a channel. */
export type HostPools = {
  /** Sends once; never repeats by itself, never rejects. */
  exchange(request: HttpRequest): Promise<HttpExchange>;
  close(): Promise<void>;
};

/** undici's own connector, with the time that each step took. */
const timedConnector = (
  options: buildConnector.BuildOptions,
  note: (phase: 'tcp' | 'tls', ms: number) => void,
  clock: Clock,
): buildConnector.connector => {
  const connect = buildConnector(options);
  return (target, callback) => {
    const beganMs = clock.monotonicMs();
    // It returns the socket that it waits for, which its types do not say.
    const socket = connect(target, callback) as unknown as Socket | undefined;
    let connectedMs = beganMs;
    socket?.once('connect', () => {
      connectedMs = clock.monotonicMs();
      note('tcp', connectedMs - beganMs);
    });
    socket?.once('secureConnect', () => note('tls', clock.monotonicMs() - connectedMs));
  };
};

const keyOf = (baseUrl: string, certificateHolder: string | undefined): string =>
  `${baseUrl} ${certificateHolder ?? ''}`;

/** Opens one pool for each host. Nothing is connected before the first request. */
export const openHostPools = (options: {
  readonly hosts: readonly HttpHost[];
  readonly limits: HttpLimits;
  readonly quality: LinkQuality;
  /** Hears when the answer of a host takes longer than is usual. */
  readonly onLate: (baseUrl: string) => void;
  readonly clock: Clock;
}): HostPools => {
  const { hosts, limits, quality, onLate, clock } = options;

  const createPool = (host: HttpHost): Pool => {
    const name = new URL(host.baseUrl).host;
    return new Pool(new URL(host.baseUrl).origin, {
      connections: limits.connectionsMax,
      // One request on a socket at a time: only then does an error on a socket belong to exactly one request.
      pipelining: 1,
      allowH2: false,
      headersTimeout: limits.headersTimeoutMs,
      bodyTimeout: limits.bodyTimeoutMs,
      keepAliveTimeout: limits.keepAliveMs,
      keepAliveMaxTimeout: limits.keepAliveMs,
      maxHeaderSize: ANSWER_HEAD_BYTES_MAX,
      connect: timedConnector(
        {
          allowH2: false,
          timeout: limits.connectTimeoutMs,
          ...(host.trustedRoots === undefined ? {} : { ca: [...host.trustedRoots] }),
          ...(host.clientCertificate === undefined
            ? {}
            : { cert: host.clientCertificate.certificate, key: host.clientCertificate.privateKey }),
        },
        (phase, ms) => quality.note(name, phase, ms),
        clock,
      ),
    });
  };

  const entries = new Map(
    hosts.map((host) => [keyOf(host.baseUrl, host.clientCertificate?.holder), { waiting: 0, pool: createPool(host) }]),
  );

  const lateAfterMs = (host: string): number =>
    Math.max(LATE_MS_MIN, LATE_FACTOR * (quality.usualMs(host) ?? LATE_MS_UNKNOWN / LATE_FACTOR));

  return {
    exchange: async (request) => {
      const url = new URL(request.baseUrl);
      const { host } = url;
      const entry = entries.get(keyOf(request.baseUrl, request.certificateHolder));
      const refused = (cause: string): HttpExchange => ({ kind: 'not_sent', host, cause, sends: 0 });
      if (entry === undefined) return refused('host_not_configured');
      if (request.signal.aborted) return refused('aborted');
      if (entry.waiting >= limits.waitingMax) return refused('pool_full');
      entry.waiting += 1;
      let sentMs = 0;
      let notLate: Cancel = () => undefined;
      const exchange = await exchangeOver(entry.pool, request, {
        host,
        secure: url.protocol === 'https:',
        answerBytesMax: limits.answerBytesMax,
        onLeftQueue: () => {
          entry.waiting -= 1;
        },
        onSent: () => {
          sentMs = clock.monotonicMs();
          notLate = clock.after(lateAfterMs(host), () => onLate(request.baseUrl));
        },
        onHead: () => {
          notLate();
          quality.note(host, 'first_byte', clock.monotonicMs() - sentMs);
        },
      });
      notLate();
      if (exchange.kind !== 'answered') quality.failed(host, exchange.cause);
      return exchange;
    },
    close: async () => {
      await Promise.all([...entries.values()].map(({ pool }) => pool.destroy()));
    },
  };
};
