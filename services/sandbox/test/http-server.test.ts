import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { systemClock } from '@tillmesh/clock';
import { createLog } from '@tillmesh/telemetry';
import { afterEach, expect, test } from 'vitest';
import { type HttpListener, type HttpReply, type HttpRequest, listenHttp } from '../src/http-server.ts';

const toClose: HttpListener[] = [];
afterEach(async () => {
  for (const listener of toClose.splice(0)) await listener.close();
});

const answer = (text: string): HttpReply => ({ kind: 'answer', status: 200, headers: {}, body: Buffer.from(text) });

const serve = async (handle: (request: HttpRequest) => Promise<HttpReply>) => {
  const listener = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    handle,
    clock: systemClock,
    log: createLog('test', 'silent'),
  });
  toClose.push(listener);
  return { listener, url: `http://127.0.0.1:${listener.port}` };
};
const post = (url: string, body: string) => fetch(url, { method: 'POST', body, headers: { connection: 'close' } });

test('path, query and body arrive to the byte', async () => {
  const { listener } = await serve(async ({ method, target, path, query, body }) =>
    answer(JSON.stringify({ method, target, path, a: query.get('a'), body: body.toString('hex') })),
  );
  const text = await new Promise<string>((resolve, reject) => {
    const sent = httpRequest(
      { port: listener.port, host: '127.0.0.1', method: 'POST', path: '/v3/%E8%8C%B6?a=%20b&c', agent: false },
      (response) => {
        let whole = '';
        response.on('data', (chunk: Buffer) => {
          whole += chunk.toString();
        });
        response.on('end', () => resolve(whole));
      },
    );
    sent.on('error', reject);
    sent.end(Buffer.from([0xff, 0x00, 0x0a]));
  });
  expect(JSON.parse(text)).toEqual({
    method: 'POST',
    target: '/v3/%E8%8C%B6?a=%20b&c',
    path: '/v3/%E8%8C%B6',
    a: ' b',
    body: 'ff000a',
  });
});

test('a body over the limit is refused and never handled', async () => {
  let handled = 0;
  const { url } = await serve(async () => {
    handled += 1;
    return answer('');
  });
  expect((await post(url, 'x'.repeat(65_537))).status).toBe(413);
  expect((await post(url, 'x'.repeat(65_536))).status).toBe(200);
  expect(handled).toBe(1);
});

test('a handler that breaks resets the connection, and the next request is served', async () => {
  let calls = 0;
  const { url } = await serve(async () => {
    calls += 1;
    if (calls === 1) throw new Error('broken');
    return answer('fine');
  });
  await expect(post(url, '')).rejects.toThrow('fetch failed');
  expect(await (await post(url, '')).text()).toBe('fine');
});

test('an answer is called sent when it was sent, and not when it was cut', async () => {
  const sent: string[] = [];
  const { url } = await serve(async ({ path }) => {
    if (path === '/cut') return { kind: 'cut' };
    return { kind: 'answer', status: 200, headers: {}, body: Buffer.alloc(0), onSent: () => sent.push(path) };
  });
  await post(`${url}/ok`, '');
  await expect(post(`${url}/cut`, '')).rejects.toThrow('fetch failed');
  expect(sent).toEqual(['/ok']);
});

test('a handler is told when its client goes away', async () => {
  const gone = Promise.withResolvers<string>();
  const arrived = Promise.withResolvers<void>();
  const { listener } = await serve(async ({ signal }) => {
    signal.addEventListener('abort', () => gone.resolve(String(signal.reason)));
    arrived.resolve();
    return { kind: 'hang' };
  });
  const socket = connect(listener.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await arrived.promise;
  expect(listener.underWay).toBe(1);
  socket.destroy();
  expect(await gone.promise).toContain('the client went away');
  await expect.poll(() => listener.underWay).toBe(0);
});

test('a port that was refused is had again when the outage ends', async () => {
  const { listener, url } = await serve(async () => answer('here'));
  for (let round = 0; round < 3; round += 1) {
    await Promise.all([
      listener.setOutage({ mode: 'refuse' }),
      listener.setOutage({ mode: 'off' }),
      listener.setOutage({ mode: 'refuse' }),
    ]);
    await expect(post(url, '')).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await listener.setOutage({ mode: 'off' });
    expect(await (await post(url, '')).text()).toBe('here');
  }
});
