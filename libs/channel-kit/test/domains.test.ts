import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { createLog, metricsText } from '@tillmesh/telemetry';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createChannelHttp, type HttpLimits } from '../src/channel-http.ts';
import type { HttpRequest } from '../src/http-exchange.ts';

const LIMITS: HttpLimits = {
  connectionsMax: 16,
  waitingMax: 16,
  connectTimeoutMs: 300,
  headersTimeoutMs: 4_000,
  bodyTimeoutMs: 1_000,
  keepAliveMs: 4_000,
  answerBytesMax: 10_000,
};

type Way = 'open' | 'black_hole' | 'cut';

const portOf = (server: { address(): unknown }): number => (server.address() as { port: number }).port;

/** One channel behind two domains: what one of them takes the other one knows. */
const aChannel = async (delayMs = 0) => {
  const seen: string[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    seen.push(`${request.method} ${request.url}`);
    systemClock.after(delayMs, () => response.end('well'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const domain = async (first: Way = 'open') => {
    let way = first;
    const lines = new Set<Socket>();
    let connections = 0;
    const proxy = createTcpServer((near) => {
      connections += 1;
      lines.add(near);
      near.on('error', () => undefined);
      near.on('close', () => lines.delete(near));
      if (way === 'cut') return void near.destroy();
      const far = connect(portOf(server), '127.0.0.1');
      far.on('error', () => undefined);
      near.on('close', () => far.destroy());
      far.on('data', (bytes) => void (way === 'open' && near.write(bytes)));
      near.on('data', (bytes) => void (way === 'open' && far.write(bytes)));
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      for (const line of lines) line.destroy();
      proxy.close();
    });
    return {
      baseUrl: `http://127.0.0.1:${portOf(proxy)}`,
      connections: () => connections,
      set: (now: Way) => {
        way = now;
        if (now === 'cut') for (const line of lines) line.destroy();
      },
    };
  };
  return { seen, domain };
};

const aClient = (...domains: readonly { readonly baseUrl: string }[]) => {
  const baseUrls = domains.map(({ baseUrl }) => baseUrl);
  const http = createChannelHttp({
    channelId: 'test',
    hosts: baseUrls.map((baseUrl) => ({ baseUrl })),
    domains: { groups: [baseUrls], probePath: '/probe', random: systemRandom, log: createLog('test', 'silent') },
    limits: LIMITS,
    clock: systemClock,
  });
  onTestFinished(() => http.close());
  const call = (more: Partial<HttpRequest> = {}) =>
    http.send({
      baseUrl: baseUrls[0] ?? '',
      method: 'POST',
      path: '/pay',
      pathTemplate: '/pay',
      headers: {},
      body: Buffer.from('7'),
      signal: AbortSignal.timeout(10_000),
      ...more,
    });
  return { call };
};

const hostOf = ({ baseUrl }: { readonly baseUrl: string }): string => new URL(baseUrl).host;

describe('two domains of a channel', () => {
  test('are probed at once when the process starts, and a call goes to the one that answers', async () => {
    const { seen, domain } = await aChannel();
    const [dead, alive] = [await domain('black_hole'), await domain()];
    const { call } = aClient(dead, alive);
    await expect.poll(() => seen).toEqual(['GET /probe']);
    expect(dead.connections()).toBe(1);
    await systemClock.sleep(50);
    expect(await call()).toMatchObject({ kind: 'answered', host: hostOf(alive), sends: 1 });
  });

  test('a call that certainly did not leave goes to the other one at once, with the same bytes', async () => {
    const { seen, domain } = await aChannel();
    const [first, second] = [await domain(), await domain()];
    const { call } = aClient(first, second);
    await expect.poll(() => seen.length).toBe(2);
    const preferred = (await call()).host === hostOf(first) ? first : second;
    const other = preferred === first ? second : first;
    // Nobody listens there any more: the socket that was open is closed, and no new one comes about.
    preferred.set('cut');
    await systemClock.sleep(50);
    const refused = { ...preferred, baseUrl: 'http://127.0.0.1:1' };
    const { call: callDead } = aClient(refused, other);
    expect(await callDead()).toMatchObject({ kind: 'answered', host: hostOf(other), sends: 1 });
  });

  test('a payment that may have been taken is not sent again; a question is, once', async () => {
    const { seen, domain } = await aChannel();
    const [first, second] = [await domain(), await domain()];
    const { call } = aClient(first, second);
    await expect.poll(() => seen.length).toBe(2);
    const preferred = (await call()).host === hostOf(first) ? first : second;
    const other = preferred === first ? second : first;
    preferred.set('black_hole');
    const paid = call();
    const asked = call({ method: 'GET', path: '/order', pathTemplate: '/order', repeatable: true });
    expect(await paid).toMatchObject({ kind: 'maybe_sent', sends: 1 });
    expect(await asked).toMatchObject({ kind: 'answered', host: hostOf(other), sends: 2 });
    expect(seen.filter((line) => line === 'POST /pay')).toHaveLength(1);
  });

  test('calls leave a domain that swallows everything before one of them has timed out', async () => {
    const { seen, domain } = await aChannel(20);
    const [first, second] = [await domain(), await domain()];
    const { call } = aClient(first, second);
    await expect.poll(() => seen.length).toBe(2);
    const preferred = (await call()).host === hostOf(first) ? first : second;
    preferred.set('black_hole');
    const beganMs = systemClock.monotonicMs();
    const lost = call().catch(() => undefined);
    // Nothing has failed yet: the answer is late, so both are probed.
    await expect
      .poll(async () => (await call({ signal: AbortSignal.timeout(200) })).kind, { timeout: 8_000 })
      .toBe('answered');
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(3_800);
    await lost;
  });

  test('a question that waits at a domain when it is left is asked at the other one at once', async () => {
    const { seen, domain } = await aChannel(20);
    const [first, second] = [await domain(), await domain()];
    const { call } = aClient(first, second);
    await expect.poll(() => seen.length).toBe(2);
    const preferred = (await call()).host === hostOf(first) ? first : second;
    preferred.set('black_hole');
    const beganMs = systemClock.monotonicMs();
    const answers = await Promise.all(Array.from({ length: 5 }, () => call({ repeatable: true })));
    expect(answers.map(({ kind, sends }) => [kind, sends])).toEqual(Array.from({ length: 5 }, () => ['answered', 2]));
    // Long before the head of an answer is late for good.
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(3_800);
  });

  test('are not probed more often than the limits say while none of them answers', async () => {
    const { domain } = await aChannel();
    const [first, second] = [await domain('cut'), await domain('cut')];
    const { call } = aClient(first, second);
    const beganMs = systemClock.monotonicMs();
    let calls = 0;
    while (systemClock.monotonicMs() - beganMs < 1_600) {
      await call();
      calls += 1;
      await systemClock.sleep(5);
    }
    // Each race opens a socket to both, each call at most one to each.
    const racesMax = 1 + Math.ceil(1_700 / 500);
    expect(first.connections() + second.connections()).toBeLessThanOrEqual(2 * calls + 2 * racesMax);
    expect(calls).toBeGreaterThan(20);
  });

  test('tell what is measured of the way to each', async () => {
    const { seen, domain } = await aChannel();
    const [first, second] = [await domain(), await domain('black_hole')];
    const { call } = aClient(first, second);
    await expect.poll(() => seen.length).toBe(1);
    await systemClock.sleep(50);
    await call();
    const text = await metricsText();
    for (const phase of ['tcp', 'first_byte']) {
      expect(text).toContain(
        `tillmesh_channel_link_seconds_count{channel="test",host="${hostOf(first)}",phase="${phase}"}`,
      );
    }
    expect(text).toContain(`tillmesh_channel_domain_preferred{channel="test",host="${hostOf(first)}"} 1`);
    await expect
      .poll(async () => metricsText(), { timeout: 4_000 })
      .toMatch(new RegExp(`tillmesh_channel_link_failures_total\\{channel="test",host="${hostOf(second)}"`));
  });
});
