import { createServer, type ServerResponse } from 'node:http';
import type { Clock } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import { isCalledRightly } from './called-by-name.ts';
import type { LaneFeed } from './lane-feed.ts';
import type { PageFile } from './page-files.ts';

export type HttpServer = {
  readonly port: number;
  /** Ends every stream and cuts what is not over after 2 s. */
  readonly close: () => Promise<void>;
};

/** Everything comes from here; nothing of a name that a process gave can run or load. */
const SAFE = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};
const CLOSE_MS_MAX = 2_000;
const HEADERS_MS_MAX = 2_000;
/** Requests that are no streams are answered at once: a few more connections than streams are enough. */
const FURTHER_CONNECTIONS = 32;

const say = (response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { ...SAFE, 'content-type': 'text/plain; charset=utf-8', ...headers }).end(`${text}\n`);
};

/** Serves the page and both streams. */
export const startHttpServer = async (options: {
  readonly settings: {
    readonly host: string;
    readonly port: number;
    readonly clientsMax: number;
    readonly names: readonly string[];
  };
  readonly files: ReadonlyMap<string, PageFile>;
  readonly feed: LaneFeed;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<HttpServer> => {
  const { settings, files, feed, clock, log } = options;
  const streams = new Map([
    ['/lanes.stream', { stream: feed.lanes, first: feed.firstLanes }],
    ['/hystrix.stream', { stream: feed.hystrix, first: feed.firstHystrix }],
  ]);

  const server = createServer({ maxHeaderSize: 16_384, headersTimeout: HEADERS_MS_MAX }, (request, response) => {
    // Hystrix' dashboard asks with ?delay=…; a second is what there is.
    const path = (request.url ?? '').replace(/\?.*$/, '');
    const file = files.get(path);
    const asked = streams.get(path);
    if (!isCalledRightly(request.headers.host, settings.names)) {
      say(response, 421, 'This page is not called by that name: use an address, or add the name to http.names.');
    } else if (file === undefined && asked === undefined) {
      say(response, 404, 'The page is at /, streams are at /lanes.stream and /hystrix.stream.');
    } else if (request.method !== 'GET' && (request.method !== 'HEAD' || file === undefined)) {
      say(response, 405, 'This page only shows. Switches are in LaneService, over gRPC.', { allow: 'GET' });
    } else if (file !== undefined) {
      response.writeHead(200, { ...SAFE, 'content-type': file.contentType, 'cache-control': 'no-cache' });
      response.end(file.body);
    } else if (feed.lanes.size + feed.hystrix.size >= settings.clientsMax) {
      say(response, 503, `${settings.clientsMax} streams are followed already: close one, or raise http.clientsMax.`, {
        'retry-after': '5',
      });
    } else {
      asked?.stream.attach(response, asked.first());
    }
  });
  server.maxConnections = settings.clientsMax + FURTHER_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.port, settings.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => log.error({ err: error }, 'the listener of the page has a problem'));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : settings.port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      feed.lanes.close();
      feed.hystrix.close();
      server.closeIdleConnections();
      const cancel = clock.after(CLOSE_MS_MAX, () => server.closeAllConnections());
      await closed;
      cancel();
    },
  };
};
