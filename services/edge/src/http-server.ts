import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Clock } from '@tillmesh/clock';
import { runAsCall } from '@tillmesh/rpc';
import { contextOfTraceparent, counter, type Log, SpanKind, SpanStatusCode, withSpan } from '@tillmesh/telemetry';
import type { Acknowledgement, RawNotification } from './apply-notification.ts';

export type HttpSettings = {
  readonly host: string;
  readonly port: number;
  readonly bodyBytesMax: number;
  readonly requestsMax: number;
};

export type HttpServer = { readonly port: number; readonly close: () => Promise<void> };

const refused = counter('tillmesh_edge_refused_total', 'Requests that were refused before any channel was asked.', [
  'why',
]);

/** Channels give up after 5 s; an answer that comes later is repeated anyway. */
const ANSWER_MS_MAX = 4_500;
const HEADERS_MAX = 100;

class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';
}

const readBody = async (request: IncomingMessage, bytesMax: number): Promise<Uint8Array> => {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw new BodyTooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

/** `/notify/{channel}/{account}`, and behind it the traceparent that we gave the channel with the order. */
const NOTIFY_PATH = /^\/notify\/([0-9a-z-]{1,32})\/([0-9a-z-]{1,32})(?:\/(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}))?$/;

const headersOf = (request: IncomingMessage): { name: string; value: string }[] => {
  const headers: { name: string; value: string }[] = [];
  for (let place = 0; place + 1 < request.rawHeaders.length && headers.length < HEADERS_MAX; place += 2) {
    headers.push({ name: (request.rawHeaders[place] ?? '').toLowerCase(), value: request.rawHeaders[place + 1] ?? '' });
  }
  return headers;
};

const answerPlainly = (response: ServerResponse, status: number, text: string): void => {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(`${text}\n`);
};

/** Listens for the channels' notifications. */
export const startHttpServer = async (deps: {
  readonly settings: HttpSettings;
  readonly apply: (raw: RawNotification) => Promise<Acknowledgement>;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<HttpServer> => {
  const { settings, apply, clock, log } = deps;
  let underWay = 0;

  const notify = async (request: IncomingMessage, response: ServerResponse, match: RegExpExecArray): Promise<void> => {
    const [, channelId = '', accountId = '', traceparent = ''] = match;
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
        const body = await readBody(request, settings.bodyBytesMax);
        const raw: RawNotification = { channelId, accountId, headers: headersOf(request), body };
        const answer = await runAsCall(
          { name: 'edge/notify', caller: 'edge', priority: 'payment', budgetMs: ANSWER_MS_MAX, clock },
          () => apply(raw),
        );
        span.setAttribute('http.response.status_code', answer.status);
        if (answer.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        response.writeHead(answer.status, { 'content-type': answer.contentType, 'content-length': answer.body.length });
        response.end(answer.body);
      },
    );
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const match = NOTIFY_PATH.exec(request.url ?? '');
    if (match === null || request.method !== 'POST') {
      refused.add({ why: 'path' });
      answerPlainly(response, 404, 'nothing is here');
      return;
    }
    if (underWay >= settings.requestsMax) {
      refused.add({ why: 'busy' });
      answerPlainly(response, 503, 'busy; send it again');
      return;
    }
    underWay += 1;
    try {
      await notify(request, response, match);
    } finally {
      underWay -= 1;
    }
  };

  const server = createServer(
    { maxHeaderSize: 16_384, requestTimeout: 10_000, headersTimeout: 5_000 },
    (request, response) => {
      handle(request, response).catch((error: unknown) => {
        const tooLarge = error instanceof BodyTooLarge;
        refused.add({ why: tooLarge ? 'too_large' : 'failed' });
        log.warn({ err: error }, 'a request could not be answered in order');
        if (!response.headersSent)
          answerPlainly(response, tooLarge ? 413 : 503, tooLarge ? 'too large' : 'send it again');
        else response.destroy();
      });
    },
  );
  server.maxConnections = settings.requestsMax * 4;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.port, settings.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : settings.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
};
