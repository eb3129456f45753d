import type { ServerResponse } from 'node:http';
import type { Clock } from '@tillmesh/clock';
import { counter, gauge } from '@tillmesh/telemetry';

const followers = gauge('tillmesh_watch_followers', 'Browsers and programs that follow a stream of the page.', [
  'stream',
]);
const dropped = counter('tillmesh_watch_dropped_total', 'Followers that were dropped because they read too slowly.', [
  'stream',
]);

/** Server-sent events to everybody who follows. */
export type EventStream = {
  /** Follows from now on; `first` is sent at once. */
  attach(response: ServerResponse, first: string): void;
  /** Sends a text of whole events. Who has not taken the last one misses this one: what is live must not be late. */
  send(text: string): void;
  readonly size: number;
  /** Ends every stream. */
  close(): void;
};

/** Whoever takes nothing for this long is dropped; a browser comes back by itself. */
export const STALLED_MS_MAX = 10_000;

const HEADERS = {
  'content-type': 'text/event-stream;charset=UTF-8',
  'cache-control': 'no-cache, no-store, max-age=0, must-revalidate',
  // A proxy that gathers what passes would make a stream of seconds out of one of minutes.
  'x-accel-buffering': 'no',
};

/** Creates a stream that nobody follows yet. */
export const createEventStream = (name: string, clock: Clock): EventStream => {
  const stalledSinceMs = new Map<ServerResponse, number | undefined>();
  const tellSize = (): void => followers.set({ stream: name }, stalledSinceMs.size);

  const write = (response: ServerResponse, text: string): void => {
    const since = stalledSinceMs.get(response);
    if (since === undefined) {
      if (response.write(text)) return;
      stalledSinceMs.set(response, clock.monotonicMs());
      response.once('drain', () => {
        if (stalledSinceMs.has(response)) stalledSinceMs.set(response, undefined);
      });
    } else if (clock.monotonicMs() - since > STALLED_MS_MAX) {
      dropped.add({ stream: name });
      response.destroy();
    }
  };

  return {
    attach: (response, first) => {
      response.writeHead(200, HEADERS);
      stalledSinceMs.set(response, undefined);
      response.once('close', () => {
        stalledSinceMs.delete(response);
        tellSize();
      });
      tellSize();
      write(response, first);
    },
    send: (text) => {
      for (const response of stalledSinceMs.keys()) write(response, text);
    },
    get size() {
      return stalledSinceMs.size;
    },
    close: () => {
      for (const response of stalledSinceMs.keys()) response.end();
    },
  };
};
