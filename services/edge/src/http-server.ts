import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Clock } from '@tillmesh/clock';
import { runAsCall } from '@tillmesh/rpc';
import { contextOfTraceparent, counter, type Log, SpanKind, SpanStatusCode, withSpan } from '@tillmesh/telemetry';
import type { Acknowledgement, RawNotification } from './apply-notification.ts';
import type { PageAnswer, PageRequest } from './one-code/handle-one-code.ts';
import { type Body, readBody } from './read-body.ts';

export type HttpSettings = {
  readonly host: string;
  readonly port: number;
  readonly bodyBytesMax: number;
  readonly requestsMax: number;
};

/** Pages for payers' browsers, below a path. */
export type Pages = {
  /** Without a slash at its end. */
  readonly path: string;
  readonly clientIpHeader: string | undefined;
  readonly answer: (request: PageRequest) => Promise<PageAnswer>;
};

export type HttpServer = {
  readonly port: number;
  /** Takes no more connections, answers what is under way, and cuts what is not over after 5 s. */
  readonly close: () => Promise<void>;
};

const refused = counter('tillmesh_edge_refused_total', 'Requests that were refused before any channel was asked.', [
  'why',
]);

/** Channels give up after 5 s; an answer that comes later is repeated anyway. Counted from the request's headers. */
const ANSWER_MS_MAX = 4_500;
/** A body has 128 KiB at most: who needs longer for it is either very far away or holds a place on purpose. */
const BODY_MS_MAX = 2_000;
/** More than any answer takes, and less than the 8 s after which a process that stops is given up. */
const CLOSE_MS_MAX = 5_000;
/** How often Node looks for connections whose time is up; by default every 30 s, which made its limits six times longer. */
const LIMITS_CHECKED_EVERY_MS = 500;
const HEADERS_MS_MAX = 2_000;
const HEADERS_MAX = 100;
const AGENT_CHARACTERS_MAX = 1_024;
/** Connections that are between two requests, or still sending one, do not count as requests under way. */
const CONNECTIONS_PER_REQUEST = 4;

/**
 * `/notify/{channel}/{account}`, and behind it the traceparent that we gave the channel with the order. Whatever else stands
 * there costs the trace, not the notification: whether that counts is decided by its signature.
 */
const NOTIFY_PATH = /^\/notify\/([0-9a-z-]{1,32})\/([0-9a-z-]{1,32})(?:\/([^/?#]{0,128}))?$/;

const headersOf = (request: IncomingMessage): { name: string; value: string }[] => {
  const headers: { name: string; value: string }[] = [];
  for (let place = 0; place + 1 < request.rawHeaders.length && headers.length < HEADERS_MAX; place += 2) {
    headers.push({ name: (request.rawHeaders[place] ?? '').toLowerCase(), value: request.rawHeaders[place + 1] ?? '' });
  }
  return headers;
};

type Refusal = { readonly why: string; readonly status: number; readonly text: string };

const REFUSAL_OF_BODY: Readonly<Record<Exclude<Body['kind'], 'whole'>, Refusal>> = {
  too_large: { why: 'too_large', status: 413, text: 'too large' },
  too_slow: { why: 'too_slow', status: 408, text: `the body has to be here within ${BODY_MS_MAX} ms` },
  gone: { why: 'gone', status: 400, text: 'the body is not whole' },
};

const refuse = (response: ServerResponse, { why, status, text }: Refusal): void => {
  refused.add({ why });
  const headers = { 'content-type': 'text/plain; charset=utf-8', connection: 'close' };
  response.writeHead(status, status === 405 ? { ...headers, allow: 'POST' } : headers).end(`${text}\n`);
};

/** Listens for the channels' notifications, and for payers' browsers. */
export const startHttpServer = async (deps: {
  readonly settings: HttpSettings;
  readonly apply: (raw: RawNotification) => Promise<Acknowledgement>;
  readonly pages?: Pages | undefined;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<HttpServer> => {
  const { settings, apply, pages, clock, log } = deps;
  let underWay = 0;
  let isClosing = false;

  const notify = async (
    raw: RawNotification,
    traceparent: string,
    beganMs: number,
    response: ServerResponse,
  ): Promise<void> => {
    await withSpan(
      'POST /notify/{channel}/{account}',
      {
        kind: SpanKind.SERVER,
        // Only we know the id that stands in the path; a guessed one would add a span to a trace, and nothing else.
        parent: contextOfTraceparent(traceparent),
        attributes: {
          'http.request.method': 'POST',
          'http.route': '/notify/{channel}/{account}',
          'url.scheme': 'http',
        },
      },
      async (span) => {
        const budgetMs = Math.max(0, ANSWER_MS_MAX - (clock.monotonicMs() - beganMs));
        const answer = await runAsCall(
          { name: 'edge/notify', caller: 'edge', priority: 'payment', budgetMs, clock },
          () => apply(raw),
        );
        span.setAttribute('http.response.status_code', answer.status);
        if (answer.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        response.writeHead(answer.status, {
          'content-type': answer.contentType,
          'content-length': answer.body.length,
          ...(isClosing ? { connection: 'close' } : {}),
        });
        response.end(answer.body);
      },
    );
  };

  const showPage = async (of: Pages, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'GET') {
      refuse(response, { why: 'method', status: 405, text: 'pages are read by GET' });
      return;
    }
    if (underWay >= settings.requestsMax) {
      refuse(response, { why: 'busy', status: 503, text: 'busy; open it again' });
      return;
    }
    const url = new URL(request.url ?? '', 'http://edge');
    const header = (name: string) => [request.headers[name] ?? ''].flat()[0] ?? '';
    const told = of.clientIpHeader === undefined ? '' : header(of.clientIpHeader);
    underWay += 1;
    try {
      const { status, headers, body } = await of.answer({
        path: url.pathname.slice(of.path.length),
        query: url.searchParams,
        agent: header('user-agent').slice(0, AGENT_CHARACTERS_MAX),
        cookie: header('cookie'),
        clientIp: (told === '' ? request.socket.remoteAddress : told) ?? '',
      });
      response.writeHead(status, isClosing ? { ...headers, connection: 'close' } : headers).end(body);
    } finally {
      underWay -= 1;
    }
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (pages !== undefined && (request.url ?? '').startsWith(`${pages.path}/`)) {
      await showPage(pages, request, response);
      return;
    }
    const beganMs = clock.monotonicMs();
    const match = NOTIFY_PATH.exec(request.url ?? '');
    if (match === null) {
      refuse(response, { why: 'path', status: 404, text: 'nothing is here' });
      return;
    }
    if (request.method !== 'POST') {
      refuse(response, { why: 'method', status: 405, text: 'notifications are posted' });
      return;
    }
    const body = await readBody(request, { bytesMax: settings.bodyBytesMax, msMax: BODY_MS_MAX }, clock);
    if (body.kind !== 'whole') {
      refuse(response, REFUSAL_OF_BODY[body.kind]);
      return;
    }
    // Counted from here: whoever sends slowly must not keep those out who do not.
    if (underWay >= settings.requestsMax) {
      refuse(response, { why: 'busy', status: 503, text: 'busy; send it again' });
      return;
    }
    const [, channelId = '', accountId = '', traceparent = ''] = match;
    underWay += 1;
    try {
      await notify(
        { channelId, accountId, headers: headersOf(request), body: body.bytes },
        traceparent,
        beganMs,
        response,
      );
    } finally {
      underWay -= 1;
    }
  };

  const server = createServer(
    {
      maxHeaderSize: 16_384,
      headersTimeout: HEADERS_MS_MAX,
      requestTimeout: HEADERS_MS_MAX + BODY_MS_MAX + 1_000,
      connectionsCheckingInterval: LIMITS_CHECKED_EVERY_MS,
    },
    (request, response) => {
      handle(request, response).catch((error: unknown) => {
        log.error({ err: error }, 'a request could not be answered');
        if (response.headersSent) response.destroy();
        else refuse(response, { why: 'failed', status: 503, text: 'send it again' });
      });
    },
  );
  server.maxConnections = settings.requestsMax * CONNECTIONS_PER_REQUEST;
  server.on('drop', () => refused.add({ why: 'connections' }));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.port, settings.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => log.error({ err: error }, 'the listener for channels has a problem'));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : settings.port,
    close: async () => {
      isClosing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      // One slow sender would keep the process, and what it still has to close, for as long as it likes.
      const cancel = clock.after(CLOSE_MS_MAX, () => server.closeAllConnections());
      await closed;
      cancel();
    },
  };
};
