import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ManualClock } from '@tillmesh/clock';
import { BreakerState } from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';
import { createLog } from '@tillmesh/telemetry';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startHttpServer } from '../src/http-server.ts';
import { createLaneBoard } from '../src/lane-board.ts';
import { createLaneFeed } from '../src/lane-feed.ts';
import { readPageFiles } from '../src/page-files.ts';
import { said } from './a-board.ts';
import { aReading } from './a-lane-process.ts';

const NAME = 'channel-wechat.pay';

/** The page's server over a board with one process, until the test ends. */
const aServer = async (clientsMax = 8) => {
  const clock = new ManualClock();
  const board = createLaneBoard(clock);
  const feed = createLaneFeed(board, clock);
  const http = await startHttpServer({
    settings: { host: '127.0.0.1', port: 0, clientsMax, names: [] },
    files: readPageFiles(join(import.meta.dirname, '../page')),
    feed,
    clock,
    log: createLog('test', 'silent'),
  });
  onTestFinished(() => http.close());
  const say = (changed: Parameters<typeof aReading>[1] = {}): void => {
    board.expect('cashier', 'a:1');
    board.heard('cashier', 'a:1', said('cashier-1', [aReading(NAME, changed)]));
    feed.heard();
  };
  return { clock, board, feed, say, port: http.port, url: `http://127.0.0.1:${http.port}` };
};

/** Follows a stream until the test ends; every whole event that has come so far. */
const follow = async (url: string) => {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const response = await fetch(url, { signal: stop.signal });
  let text = '';
  const reading = (async () => {
    for await (const part of response.body ?? []) text += Buffer.from(part).toString();
  })();
  reading.catch(() => undefined);
  return { response, stop: () => stop.abort(), events: () => text.split('\n\n').slice(0, -1) };
};

/** The beginning of the answer to a request that no client of HTTP would send. */
const ask = async (port: number, path: string, host: string): Promise<string> => {
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return answer.toString();
};

type LanesEvent = {
  readonly tick: number;
  readonly lanes: readonly { readonly minute?: unknown; readonly point?: unknown; readonly severity: string }[];
};
const lanesOf = (event: string | undefined): LanesEvent => {
  const [head, data] = (event ?? '').split('\n');
  expect(head).toBe('event: lanes');
  return JSON.parse((data ?? '').replace(/^data: /, '')) as LanesEvent;
};

describe('/hystrix.stream', () => {
  test('is what Hystrix’ dashboard reads: one data line for each event, a ping where there is none', async () => {
    const { url, feed, say } = await aServer();
    const { response, events } = await follow(`${url}/hystrix.stream?delay=2000`);
    expect(response.headers.get('content-type')).toBe('text/event-stream;charset=UTF-8');
    await expect.poll(events).toEqual(['ping: ']);
    say();
    feed.tick();
    await expect.poll(() => events().length).toBe(3);
    const types = events()
      .slice(1)
      .map((event) => (JSON.parse(event.replace(/^data: /, '')) as { readonly type: string }).type);
    expect(types).toEqual(['HystrixCommand', 'HystrixThreadPool']);
  });
});

describe('/lanes.stream', () => {
  test('begins with the last minute, and adds a point each second', async () => {
    const { url, feed, say } = await aServer();
    say();
    for (let second = 0; second < 70; second += 1) feed.tick();
    const { events } = await follow(`${url}/lanes.stream`);
    await expect.poll(() => events().length).toBe(1);
    const first = lanesOf(events()[0]);
    expect(first.tick).toBe(70);
    expect(first.lanes[0]?.minute).toHaveLength(60);
    feed.tick();
    await expect.poll(() => events().length).toBe(2);
    expect(lanesOf(events()[1])).toMatchObject({ tick: 71, lanes: [{ point: [20.4, 0, 0, 3] }] });
  });

  test('tells at once of a breaker that moves, and of nothing else between two seconds', async () => {
    const { url, say } = await aServer();
    say();
    const { events } = await follow(`${url}/lanes.stream`);
    await expect.poll(() => events().length).toBe(1);
    say({ inFlight: 9 });
    say({ breaker: BreakerState.OPEN });
    await expect.poll(() => events().length).toBe(2);
    expect(lanesOf(events()[1]).lanes[0]?.severity).toBe('open');
  });
});

describe('the server of the page', () => {
  test('lets nothing run or load that is not its own', async () => {
    const { url } = await aServer();
    const response = await fetch(url);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await response.text()).not.toMatch(/<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|https?:/);
  });

  test.each(['/config.ts', '/../src/main.ts', '/%2e%2e/src/main.ts', '/page/index.html', '//', '/__proto__'])(
    'has nothing at %s',
    async (path) => {
      const { port } = await aServer();
      expect(await ask(port, path, 'localhost')).toMatch(/^HTTP\/1\.1 404 /);
    },
  );

  test('tells nothing to a page elsewhere that makes a browser call it by a name of its own', async () => {
    const { port, say } = await aServer();
    say();
    for (const path of ['/', '/lanes.stream', '/hystrix.stream']) {
      const answer = await ask(port, path, 'evil.example');
      expect(answer).toMatch(/^HTTP\/1\.1 421 /);
      expect(answer).not.toContain('cashier');
    }
  });

  test('only shows: whoever wants to change something is told where', async () => {
    const { url } = await aServer();
    for (const path of ['/', '/lanes.stream', '/hystrix.stream']) {
      const response = await fetch(`${url}${path}`, { method: 'POST' });
      expect(response.status).toBe(405);
      expect(await response.text()).toContain('LaneService');
    }
  });

  test('refuses one stream more than it may have, with what to do, and has a place again when one ends', async () => {
    const { url, feed } = await aServer(2);
    const first = await follow(`${url}/lanes.stream`);
    await follow(`${url}/hystrix.stream`);
    const refused = await fetch(`${url}/lanes.stream`);
    expect(refused.status).toBe(503);
    expect(await refused.text()).toBe('2 streams are followed already: close one, or raise http.clientsMax.\n');
    first.stop();
    await expect.poll(() => feed.lanes.size).toBe(0);
    expect((await follow(`${url}/lanes.stream`)).response.status).toBe(200);
  });
});
