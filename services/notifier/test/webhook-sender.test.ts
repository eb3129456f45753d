import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@tillmesh/clock';
import { selfSigned } from '@tillmesh/testing/self-signed';
import { afterEach, describe, expect, test } from 'vitest';
import { createAddressGuard } from '../src/address-guard.ts';
import { createWebhookSender, type Resolve, type WebhookSender, whyNotUrl } from '../src/webhook-sender.ts';

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

type Endpoint = { readonly port: number; readonly requests: IncomingMessage[]; readonly bodies: string[] };

const endpoint = async (
  answer: (response: ServerResponse, request: IncomingMessage) => void,
  host = '127.0.0.1',
  port = 0,
): Promise<Endpoint> => {
  const requests: IncomingMessage[] = [];
  const bodies: string[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(request);
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => {
      bodies.push(body);
      answer(response, request);
    });
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  opened.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, requests, bodies };
};

const sender = (
  options: { readonly allowed?: readonly string[]; readonly resolve?: Resolve; readonly authority?: string } = {},
): WebhookSender => {
  const { allowed = ['127.0.0.1/32'], ...rest } = options;
  const created = createWebhookSender({ guard: createAddressGuard(allowed), allowPlainHttp: true, ...rest });
  opened.push(() => created.close());
  return created;
};

const webhook = (url: string) => ({ url, headers: { 'webhook-id': 'e-1' }, body: Buffer.from('{"a":"é"}') });
const within = (ms: number): AbortSignal => AbortSignal.timeout(ms);
const received = (response: ServerResponse): void => void response.end('{"received": true}');

describe('a webhook', () => {
  test('arrives byte for byte, and is acknowledged by {"received": true} or 204', async () => {
    const by200 = await endpoint(received);
    const by204 = await endpoint((response) => void response.writeHead(204).end());
    const way = sender();
    expect(await way.send(webhook(`http://127.0.0.1:${by200.port}/hooks?x=1`), within(2_000))).toEqual({
      kind: 'acknowledged',
      status: 200,
    });
    expect(by200.bodies).toEqual(['{"a":"é"}']);
    expect(by200.requests[0]?.url).toBe('/hooks?x=1');
    expect(by200.requests[0]?.headers).toMatchObject({ 'webhook-id': 'e-1', 'content-type': 'application/json' });
    expect(await way.send(webhook(`http://127.0.0.1:${by204.port}/`), within(2_000))).toEqual({
      kind: 'acknowledged',
      status: 204,
    });
  });

  for (const [what, status, body, why] of [
    ['an error page with 200', 200, '<html>We are down for maintenance</html>', 'answer_is_no_acknowledgement'],
    ['200 without a body', 200, '', 'answer_is_no_acknowledgement'],
    ['200 with {"received": false}', 200, '{"received": false}', 'answer_is_no_acknowledgement'],
    ['200 with null', 200, 'null', 'answer_is_no_acknowledgement'],
    ['404', 404, '{"received": true}', 'status_404'],
    ['500', 500, '{"received": true}', 'status_500'],
  ] as const) {
    test(`is not acknowledged by ${what}`, async () => {
      const { port } = await endpoint((response) => void response.writeHead(status).end(body));
      expect(await sender().send(webhook(`http://127.0.0.1:${port}/`), within(2_000))).toEqual({
        kind: 'refused',
        why,
        status,
      });
    });
  }

  test('follows no redirect, wherever it leads', async () => {
    const aim = await endpoint(received);
    const { port } = await endpoint((response) =>
      response.writeHead(307, { location: `http://127.0.0.1:${aim.port}/` }).end('{"received": true}'),
    );
    expect(await sender().send(webhook(`http://127.0.0.1:${port}/`), within(2_000))).toEqual({
      kind: 'refused',
      why: 'status_307_redirect_refused',
      status: 307,
    });
    expect(aim.requests).toEqual([]);
  });

  test('gives up on an endpoint that hangs, and cuts its socket', async () => {
    let closed = false;
    const { port } = await endpoint((_, request) => void request.socket.on('close', () => (closed = true)));
    const beganMs = systemClock.monotonicMs();
    expect(await sender().send(webhook(`http://127.0.0.1:${port}/`), within(300))).toMatchObject({ why: 'timed_out' });
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(1_500);
    await expect.poll(() => closed).toBe(true);
  });

  test('gives up on an endpoint that sends its answer drop by drop', async () => {
    const { port } = await endpoint((response) => {
      response.writeHead(200);
      const drip = async (): Promise<void> => {
        while (!response.destroyed) {
          response.write(' ');
          await systemClock.sleep(20);
        }
      };
      void drip();
    });
    expect(await sender().send(webhook(`http://127.0.0.1:${port}/`), within(400))).toMatchObject({ why: 'timed_out' });
  });

  test('reads 4 KiB of an answer and no more', async () => {
    const { port } = await endpoint((response) => {
      const flood = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        response.once('drain', flood);
      };
      response.on('error', () => undefined);
      flood();
    });
    expect(await sender().send(webhook(`http://127.0.0.1:${port}/`), within(5_000))).toEqual({
      kind: 'refused',
      why: 'answer_too_large',
      status: 200,
    });
  });
});

describe('an endpoint that is not to be reached', () => {
  for (const host of ['127.0.0.1', 'localhost', '0x7f.1', '2130706433', '[::ffff:127.0.0.1]', '0.0.0.0']) {
    test(`as http://${host} gets no connection`, async () => {
      const { port, requests } = await endpoint(received);
      const sent = await sender({ allowed: [] }).send(webhook(`http://${host}:${port}/`), within(2_000));
      expect(sent).toEqual({ kind: 'refused', why: 'address_forbidden', status: undefined });
      expect(requests).toEqual([]);
    });
  }

  test('gets none when one of several addresses of its name is forbidden', async () => {
    const { port, requests } = await endpoint(received);
    const resolve: Resolve = (_, done) =>
      done(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '127.0.0.2', family: 4 },
      ]);
    expect(await sender({ resolve }).send(webhook(`http://shop.example:${port}/`), within(2_000))).toMatchObject({
      why: 'address_forbidden',
    });
    expect(requests).toEqual([]);
  });

  test('gets none when its name resolves differently the second time; and one look-up decides one connection', async () => {
    const good = await endpoint(
      (response) => void response.writeHead(200, { connection: 'close' }).end('{"received":true}'),
    );
    // The same port of another address of this machine: where a name would lead that changed between check and connection.
    const inner = await endpoint(received, '127.0.0.2', good.port);
    const answers = ['127.0.0.1', '127.0.0.2', '127.0.0.1'];
    let looked = 0;
    const resolve: Resolve = (_, done) => done(null, [{ address: answers[looked++] ?? '', family: 4 }]);
    const way = sender({ resolve });
    const url = `http://shop.example:${good.port}/`;
    expect(await way.send(webhook(url), within(2_000))).toMatchObject({ kind: 'acknowledged' });
    expect(looked).toBe(1);
    expect(await way.send(webhook(url), within(2_000))).toMatchObject({ why: 'address_forbidden' });
    expect(looked).toBe(2);
    expect(await way.send(webhook(url), within(2_000))).toMatchObject({ kind: 'acknowledged' });
    expect(inner.requests).toEqual([]);
    expect(good.requests).toHaveLength(2);
  });

  test('is told when its name does not resolve', async () => {
    const resolve: Resolve = (_, done) => done(new Error('no such name'), []);
    expect(await sender({ resolve }).send(webhook('http://shop.example:1/'), within(2_000))).toMatchObject({
      kind: 'refused',
    });
  });
});

describe('TLS', () => {
  const { certificate, privateKey } = selfSigned();
  const secureEndpoint = async (): Promise<number> => {
    const server = createTlsServer({ key: privateKey, cert: certificate }, (request, response) => {
      request.resume();
      received(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    opened.push(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return (server.address() as AddressInfo).port;
  };

  test('refuses a certificate that nobody trusted vouches for', async () => {
    const port = await secureEndpoint();
    expect(await sender().send(webhook(`https://127.0.0.1:${port}/`), within(2_000))).toMatchObject({
      kind: 'refused',
    });
    expect(await sender({ authority: certificate }).send(webhook(`https://127.0.0.1:${port}/`), within(2_000))).toEqual(
      {
        kind: 'acknowledged',
        status: 200,
      },
    );
  });
});

test('an address of a webhook is https, without user, password and fragment', () => {
  expect(whyNotUrl('https://shop.example/hooks', false)).toBeUndefined();
  expect(whyNotUrl('http://shop.example/hooks', true)).toBeUndefined();
  expect(whyNotUrl('http://shop.example/hooks', false)).toBe('is not https');
  expect(whyNotUrl('file:///etc/passwd', true)).toBe('is neither https nor http');
  expect(whyNotUrl('https://me:secret@shop.example/', false)).toBe('carries a user or a password');
  expect(whyNotUrl('https://shop.example/#a', false)).toBe('carries a fragment');
  expect(whyNotUrl('shop.example', false)).toBe('is not a URL');
});
