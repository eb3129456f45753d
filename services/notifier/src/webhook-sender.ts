import type { LookupAddress } from 'node:dns';
import { lookup as lookupName } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { rootCertificates } from 'node:tls';
import { errorTypeOf } from '@tillmesh/telemetry';
import { Agent } from 'undici';
import { ANSWER_BYTES_MAX, whyNotAcknowledged } from './acknowledgement.ts';
import type { AddressGuard } from './address-guard.ts';

/** What one sending came to. `why` is a word of ours or the type of an error, never a text from outside: it may be written down. */
export type Sent =
  | { readonly kind: 'acknowledged'; readonly status: number }
  | { readonly kind: 'refused'; readonly why: string; readonly status: number | undefined };

export type Webhook = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

export type WebhookSender = {
  /** Sends it once. Never rejects; when the signal is aborted the socket is cut. */
  send(webhook: Webhook, signal: AbortSignal): Promise<Sent>;
  close(): Promise<void>;
};

/** Finds every address of a name; calls back once. */
export type Resolve = (name: string, done: (error: Error | null, addresses: readonly LookupAddress[]) => void) => void;

const ANSWER_HEADERS_BYTES_MAX = 8_192;
const CONNECT_MS_MAX = 3_000;
/** A connection is used again for so long at most: an address that is not the endpoint's any more is soon left. */
const IDLE_MS_MAX = 10_000;

const resolveBySystem: Resolve = (name, done) => lookupName(name, { all: true }, done);

/** The name leads to an address that may not be connected to. */
class AddressForbidden extends Error {
  override readonly name = 'AddressForbidden';
  readonly reason = 'address_forbidden';
}

/** Why no webhook may go to this address whatever it resolves to; undefined where one may. */
export const whyNotUrl = (text: string, allowPlainHttp: boolean): string | undefined => {
  const url = URL.parse(text);
  if (url === null) return 'is not a URL';
  if (url.protocol !== 'https:' && !(allowPlainHttp && url.protocol === 'http:'))
    return allowPlainHttp ? 'is neither https nor http' : 'is not https';
  if (url.username !== '' || url.password !== '') return 'carries a user or a password';
  return url.hash === '' ? undefined : 'carries a fragment';
};

/**
 * Opens the way to merchants. The name of an endpoint is resolved once for a connection, every address that it has is looked at, and the
 * connection goes to one of exactly those: a name that resolves differently the second time leads nowhere else. Nothing follows a redirect.
 */
export const createWebhookSender = (options: {
  readonly guard: AddressGuard;
  readonly allowPlainHttp: boolean;
  /** PEM; certificates that are trusted beside those of Node. */
  readonly authority?: string | undefined;
  readonly resolve?: Resolve;
}): WebhookSender => {
  const { guard, allowPlainHttp, authority, resolve = resolveBySystem } = options;

  const lookup: LookupFunction = (name, { all }, callback) =>
    resolve(name, (error, addresses) => {
      if (error !== null) {
        callback(error, '', 0);
        return;
      }
      const [first] = addresses;
      // One forbidden address is enough: which of them is taken would be chance.
      if (first === undefined || addresses.some(({ address }) => !guard.allows(address)))
        callback(new AddressForbidden(name), '', 0);
      else if (all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    });
  const agent = new Agent({
    allowH2: false,
    pipelining: 1,
    maxHeaderSize: ANSWER_HEADERS_BYTES_MAX,
    keepAliveTimeout: IDLE_MS_MAX,
    keepAliveMaxTimeout: IDLE_MS_MAX,
    connect: {
      lookup,
      timeout: CONNECT_MS_MAX,
      ...(authority === undefined ? {} : { ca: [...rootCertificates, authority] }),
    },
  });

  const exchange = async ({ url, headers, body }: Webhook, signal: AbortSignal): Promise<Sent> => {
    const { origin, pathname, search } = new URL(url);
    const answer = await agent.request({
      origin,
      path: `${pathname}${search}`,
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
      signal,
    });
    const status = answer.statusCode;
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of answer.body) {
      const piece = Buffer.from(part as Uint8Array);
      bytes += piece.length;
      // Leaving the loop cuts the socket: the rest is not read.
      if (bytes > ANSWER_BYTES_MAX) return { kind: 'refused', why: 'answer_too_large', status };
      parts.push(piece);
    }
    const why = whyNotAcknowledged({ status, body: Buffer.concat(parts) });
    return why === undefined ? { kind: 'acknowledged', status } : { kind: 'refused', why, status };
  };

  return {
    send: async (webhook, signal) => {
      const refused = (why: string): Sent => ({ kind: 'refused', why, status: undefined });
      if (whyNotUrl(webhook.url, allowPlainHttp) !== undefined) return refused('url_forbidden');
      const host = new URL(webhook.url).hostname.replace(/^\[|\]$/g, '');
      // An address is connected to without being looked up.
      if (isIP(host) !== 0 && !guard.allows(host)) return refused('address_forbidden');
      try {
        return await exchange(webhook, signal);
      } catch (error) {
        return refused(signal.aborted ? 'timed_out' : errorTypeOf(error));
      }
    },
    close: () => agent.destroy(),
  };
};
