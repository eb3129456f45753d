import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { TLSSocket } from 'node:tls';
import type { Clock } from '@tillmesh/clock';
import { assertNever } from '@tillmesh/domain';
import type { Log } from '@tillmesh/telemetry';
import type { HostName, Outage } from './outage.ts';
import { pageReply } from './web-page.ts';

/** A request as it came over the wire; what is signed is `target` and `body`, to the byte. */
export type HttpRequest = {
  /** At which address of the channel it came in. */
  readonly host: HostName;
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  /** Path alone, still percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Aborted when the client goes away before it was answered. */
  readonly signal: AbortSignal;
};

export type HttpAnswer = {
  readonly kind: 'answer';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Called when the last byte was handed to the network; never where the answer was lost. */
  readonly onSent?: (() => void) | undefined;
};

/** `cut` resets the connection, `hang` never answers. */
export type HttpReply = HttpAnswer | { readonly kind: 'cut' } | { readonly kind: 'hang' };

export interface HttpListener {
  readonly port: number;
  /** Requests that have come and are not answered, those that hang included. */
  readonly underWay: number;
  readonly outage: Outage;
  setOutage(outage: Outage): Promise<void>;
  close(): Promise<void>;
}

// A channel's request has a few hundred bytes and WeChat's largest field 6,000; a sandbox under a load test has to
// stay within a few hundred megabytes.
const BODY_BYTES_MAX = 64 * 1_024;
const CONNECTIONS_MAX = 4_096;
const REQUESTS_MAX = 2_048;
const TIMES = { headersTimeout: 10_000, requestTimeout: 15_000, keepAliveTimeout: 60_000 };

type Body =
  | { readonly kind: 'complete'; readonly bytes: Buffer }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'broken' };

const readBody = (request: IncomingMessage): Promise<Body> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > BODY_BYTES_MAX) resolve({ kind: 'too_large' });
      else chunks.push(chunk);
    });
    request.on('end', () => resolve({ kind: 'complete', bytes: Buffer.concat(chunks) }));
    request.on('error', () => resolve({ kind: 'broken' }));
    request.on('close', () => resolve({ kind: 'broken' }));
  });

const plain = (status: number, text: string): HttpAnswer => ({
  kind: 'answer',
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8', connection: 'close' },
  body: Buffer.from(text),
});

// A reset belongs to TCP: a TLS socket has none, and is torn down without its farewell.
const cut = ({ socket }: ServerResponse): void => {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket?.resetAndDestroy();
};

const send = (response: ServerResponse, reply: HttpReply): void => {
  switch (reply.kind) {
    case 'answer':
      if (reply.onSent !== undefined) response.once('finish', reply.onSent);
      response.writeHead(reply.status, {
        ...reply.headers,
        ...(reply.status === 204 ? {} : { 'content-length': String(reply.body.length) }),
      });
      response.end(reply.body);
      return;
    case 'cut':
      cut(response);
      return;
    case 'hang':
      return; // The client's own time-out, an outage's end or the sandbox' end frees the connection.
    default:
      assertNever(reply);
  }
};

/**
 * Serves one channel (or the control API) on its own port.
 *
 * @param name which of the channel's addresses this is.
 * @param tls the certificate to show, where the channel is trusted by its connection alone; plain HTTP without it.
 * @param handle throws only where the sandbox itself is broken; the client then sees a reset connection.
 */
export const listenHttp = async (options: {
  readonly host: string;
  readonly name?: HostName;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  readonly handle: (request: HttpRequest) => Promise<HttpReply>;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<HttpListener> => {
  const { host, name = 'first', handle, clock, log } = options;
  let outage: Outage = { mode: 'off' };
  let underWay = 0;

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<HttpReply> => {
    const gone = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) gone.abort(new Error('the client went away'));
    });
    const body = await readBody(request);
    if (body.kind === 'too_large') return plain(413, `a request has at most ${BODY_BYTES_MAX} bytes\n`);
    if (body.kind === 'broken') return { kind: 'cut' };
    const wrong = outage;
    if (wrong.mode === 'hang') return { kind: 'hang' };
    if (wrong.mode === 'error') return pageReply(wrong.status);
    const target = request.url ?? '/';
    const queryStart = target.indexOf('?');
    const reply = await handle({
      host: name,
      method: request.method ?? '',
      target,
      path: queryStart === -1 ? target : target.slice(0, queryStart),
      query: new URLSearchParams(queryStart === -1 ? '' : target.slice(queryStart + 1)),
      headers: request.headers,
      body: body.bytes,
      signal: gone.signal,
    });
    if (wrong.mode === 'slow') await clock.sleep(wrong.ms, gone.signal);
    return reply;
  };

  const take = (request: IncomingMessage, response: ServerResponse): void => {
    if (underWay >= REQUESTS_MAX) {
      send(response, plain(503, 'too many requests are under way\n'));
      return;
    }
    underWay += 1;
    response.once('close', () => {
      underWay -= 1;
    });
    serve(request, response).then(
      (reply) => send(response, reply),
      (error: unknown) => {
        if (!response.destroyed) log.error({ err: error, path: request.url?.split('?')[0] }, 'a request broke');
        cut(response);
      },
    );
  };
  const server =
    options.tls === undefined ? createServer(TIMES, take) : createTlsServer({ ...TIMES, ...options.tls }, take);
  server.maxConnections = CONNECTIONS_MAX;

  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
  const stopListening = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });

  const changeOutage = async (to: Outage): Promise<void> => {
    const before = outage.mode;
    outage = to;
    if (to.mode === 'refuse' && before !== 'refuse') await stopListening();
    if (to.mode !== 'refuse' && before === 'refuse') await listen(port);
    // Requests that hang since an outage have waited for nothing: their clients should see the line go dead.
    if (to.mode === 'off' && before === 'hang') server.closeAllConnections();
  };
  // One change after the other: a port cannot be opened while it is still being closed.
  let changing: Promise<void> = Promise.resolve();

  await listen(options.port);
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  return {
    port,
    get underWay() {
      return underWay;
    },
    get outage() {
      return outage;
    },
    setOutage: (to) => {
      const change = changing.then(() => changeOutage(to));
      changing = change.catch(() => undefined);
      return change;
    },
    close: async () => {
      if (server.listening) await stopListening();
    },
  };
};
