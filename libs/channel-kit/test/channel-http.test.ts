import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { systemClock } from '@tillmesh/clock';
import { metricsText } from '@tillmesh/telemetry';
import { type Issued, issueCertificate } from '@tillmesh/testing/issued-certificate';
import { selfSigned } from '@tillmesh/testing/self-signed';
import { Dispatcher, Pool } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { type ChannelHttp, createChannelHttp, type HttpHost, type HttpLimits } from '../src/channel-http.ts';
import { exchangeOver, type HttpExchange, type HttpRequest } from '../src/http-exchange.ts';

const LIMITS: HttpLimits = {
  connectionsMax: 4,
  waitingMax: 8,
  connectTimeoutMs: 400,
  headersTimeoutMs: 600,
  bodyTimeoutMs: 600,
  keepAliveMs: 4_000,
  answerBytesMax: 10_000,
};

const toClose: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

/** A TCP peer that does with a connection whatever the test says, and counts bytes that it was sent. */
const startPeer = async (
  onSocket: (socket: Socket, peer: Peer) => void,
  make: (onConnection: (socket: Socket) => void) => Server = createServer,
) => {
  const sockets = new Set<Socket>();
  const peer: Peer = { bytes: 0, requests: 0, connections: 0 };
  const server: Server = make((socket) => {
    sockets.add(socket);
    peer.connections += 1;
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    onSocket(socket, peer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  toClose.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { peer, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};
type Peer = { bytes: number; requests: number; connections: number };

const startHttp = async (listener: RequestListener): Promise<string> => {
  const server = createHttpServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  toClose.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const startClient = (host: HttpHost, limits: Partial<HttpLimits> = {}): ChannelHttp => {
  const http = createChannelHttp({
    channelId: 'test',
    hosts: [host],
    limits: { ...LIMITS, ...limits },
    clock: systemClock,
  });
  toClose.push(() => http.close());
  return http;
};

const request = (baseUrl: string, more: Partial<HttpRequest> = {}): HttpRequest => ({
  baseUrl,
  method: 'POST',
  path: '/pay',
  pathTemplate: '/pay',
  headers: { 'content-type': 'text/plain' },
  body: Buffer.from('<the request>'),
  signal: new AbortController().signal,
  ...more,
});

const sendTo = (host: HttpHost, limits: Partial<HttpLimits> = {}): Promise<HttpExchange> =>
  startClient(host, limits).send(request(host.baseUrl));

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

test('a refused port is not sent', async () => {
  expect(await sendTo({ baseUrl: `http://127.0.0.1:${await freePort()}` })).toMatchObject({
    kind: 'not_sent',
    cause: 'ECONNREFUSED',
  });
});

test('a name that does not resolve is not sent', async () => {
  expect((await sendTo({ baseUrl: 'http://no-such-host.invalid' })).kind).toBe('not_sent');
});

test('a peer that speaks no TLS is not sent', async () => {
  const { baseUrl, peer } = await startPeer((socket, seen) => {
    socket.on('data', (data) => {
      seen.bytes += data.length;
      socket.end('220 this is not TLS\r\n');
    });
  });
  const exchange = await sendTo({ baseUrl: baseUrl.replace('http:', 'https:') });
  expect(exchange.kind).toBe('not_sent');
  expect(peer.connections).toBeGreaterThan(0);
});

const startTls = async () => {
  const { certificate, privateKey } = selfSigned();
  const started = await startPeer(
    (socket, seen) => {
      socket.on('data', (data) => {
        seen.bytes += data.length;
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      });
    },
    (onConnection) => createTlsServer({ key: privateKey, cert: certificate }, onConnection),
  );
  return { ...started, baseUrl: started.baseUrl.replace('http:', 'https:'), certificate };
};

test('a peer whose certificate nobody vouches for is not sent', async () => {
  const { baseUrl, peer } = await startTls();
  expect(await sendTo({ baseUrl })).toMatchObject({ kind: 'not_sent', cause: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  expect(peer.bytes).toBe(0);
});

test('a peer with a trusted certificate answers securely, one without TLS does not', async () => {
  const { baseUrl, certificate } = await startTls();
  expect(await sendTo({ baseUrl, trustedRoots: [certificate] })).toMatchObject({
    kind: 'answered',
    secure: true,
    status: 200,
  });
  const plain = await startHttp((_request, response) => response.end('ok'));
  expect(await sendTo({ baseUrl: plain })).toMatchObject({ kind: 'answered', secure: false });
});

describe('with a limited set of roots', () => {
  const [ours, further, foreign] = ['ours', 'further', 'foreign'].map((commonName) =>
    issueCertificate({ commonName, isAuthority: true }),
  );
  const startIssued = async (issuer: Issued | undefined, addresses = ['127.0.0.1']) => {
    const { certificate, privateKey } = issueCertificate({
      commonName: 'the host',
      ...(issuer && { issuer }),
      addresses,
    });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const { baseUrl, peer } = await startPeer(
      (socket, seen) => {
        socket.on('data', (data) => {
          seen.bytes += data.length;
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        });
      },
      (onConnection) => createTlsServer({ key, cert: certificate }, onConnection),
    );
    return { baseUrl: baseUrl.replace('http:', 'https:'), peer };
  };
  const trustedRoots = [ours, further].map((root) => root?.certificate ?? '');

  test('a host counts that any of them has vouched for', async () => {
    for (const issuer of [ours, further]) {
      const { baseUrl } = await startIssued(issuer);
      expect(await sendTo({ baseUrl, trustedRoots })).toMatchObject({ kind: 'answered', secure: true });
    }
  });

  test('a host that another root has vouched for gets nothing, and is counted', async () => {
    const { baseUrl, peer } = await startIssued(foreign);
    const exchange = await sendTo({ baseUrl, trustedRoots });
    expect(exchange).toMatchObject({ kind: 'not_sent', sends: 0, cause: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    expect(peer.bytes).toBe(0);
    const line = (await metricsText())
      .split('\n')
      .find((text) => text.startsWith('tillmesh_channel_link_failures_total') && text.includes(new URL(baseUrl).host));
    expect(line).toMatch(/cause="UNABLE_TO_VERIFY_LEAF_SIGNATURE".* 1$/);
  });

  test('a host with a certificate for another address gets nothing', async () => {
    const { baseUrl, peer } = await startIssued(ours, ['127.0.0.2']);
    expect(await sendTo({ baseUrl, trustedRoots })).toMatchObject({
      kind: 'not_sent',
      cause: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    expect(peer.bytes).toBe(0);
  });
});

test('a certificate of our own is shown for its holder alone', async () => {
  const [server, client] = [selfSigned(), selfSigned()];
  const { baseUrl } = await startPeer(
    (socket) => {
      const shown = (socket as TLSSocket).getPeerCertificate();
      socket.on('data', () => {
        const body = Object.keys(shown).length === 0 ? 'nobody' : 'somebody';
        socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      });
    },
    (onConnection) =>
      createTlsServer(
        { key: server.privateKey, cert: server.certificate, requestCert: true, rejectUnauthorized: false },
        onConnection,
      ),
  );
  const host = { baseUrl: baseUrl.replace('http:', 'https:'), trustedRoots: [server.certificate] };
  const http = createChannelHttp({
    channelId: 'test',
    hosts: [host, { ...host, clientCertificate: { holder: 'acme', ...client } }],
    limits: LIMITS,
    clock: systemClock,
  });
  toClose.push(() => http.close());
  const bodyFor = async (more: Partial<HttpRequest>): Promise<string> => {
    const exchange = await http.send(request(host.baseUrl, more));
    return exchange.kind === 'answered' ? exchange.body.toString() : exchange.cause;
  };
  expect(await bodyFor({ certificateHolder: 'acme' })).toBe('somebody');
  expect(await bodyFor({})).toBe('nobody');
  expect(await bodyFor({ certificateHolder: 'other' })).toBe('host_not_configured');
});

test('a peer that never answers the TLS greeting is not sent, within the connect time-out', async () => {
  const { baseUrl, peer } = await startPeer((socket, seen) => {
    socket.on('data', (data) => {
      seen.bytes += data.length;
    });
  });
  const exchange = await sendTo({ baseUrl: baseUrl.replace('http:', 'https:') });
  expect(exchange).toMatchObject({ kind: 'not_sent', cause: 'UND_ERR_CONNECT_TIMEOUT' });
  // What it saw is the TLS greeting, nothing of the request.
  expect(peer.bytes).toBeGreaterThan(0);
});

test('a peer that accepts and closes before reading is maybe sent or not sent, never answered', async () => {
  for (let round = 0; round < 20; round += 1) {
    const { baseUrl } = await startPeer((socket) => socket.destroy());
    expect(['maybe_sent', 'not_sent']).toContain((await sendTo({ baseUrl })).kind);
  }
});

test('a peer that resets after its first read is maybe sent', async () => {
  const { baseUrl, peer } = await startPeer((socket, seen) => {
    socket.on('data', (data) => {
      seen.bytes += data.length;
      socket.resetAndDestroy();
    });
  });
  expect((await sendTo({ baseUrl })).kind).toBe('maybe_sent');
  expect(peer.bytes).toBeGreaterThan(0);
});

test('nothing is ever called not sent of which the peer has seen a byte, wherever the peer cuts', async () => {
  const cuts = [0, 1, 2, 3, 5, 8, 13];
  for (const afterTurns of cuts) {
    const { baseUrl, peer } = await startPeer((socket, seen) => {
      socket.on('data', (data) => {
        seen.bytes += data.length;
      });
      let turns = afterTurns;
      const next = () => {
        turns -= 1;
        if (turns < 0) socket.resetAndDestroy();
        else setImmediate(next);
      };
      next();
    });
    const http = startClient({ baseUrl });
    const kinds = await Promise.all(Array.from({ length: 8 }, async () => (await http.send(request(baseUrl))).kind));
    if (peer.bytes > 0) expect(kinds, `cut after ${afterTurns} turns`).toContain('maybe_sent');
    expect(kinds).not.toContain('answered');
  }
});

test('a peer that reads the request and closes is maybe sent, and was asked once', async () => {
  const { baseUrl, peer } = await startPeer((socket, seen) => {
    socket.on('data', () => {
      seen.requests += 1;
      socket.end();
    });
  });
  expect((await sendTo({ baseUrl })).kind).toBe('maybe_sent');
  expect(peer).toMatchObject({ requests: 1, connections: 1 });
});

test('half an answer is maybe sent, in its head or in its body', async () => {
  for (const half of ['HTTP/1.1 200 OK\r\ncontent-le', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf']) {
    const { baseUrl } = await startPeer((socket) => {
      socket.on('data', () => socket.end(half));
    });
    expect((await sendTo({ baseUrl })).kind).toBe('maybe_sent');
  }
});

test('a peer that stays silent is maybe sent when its time is up', async () => {
  const { baseUrl } = await startPeer((socket) => socket.resume());
  expect(await sendTo({ baseUrl })).toMatchObject({ kind: 'maybe_sent', cause: 'UND_ERR_HEADERS_TIMEOUT' });
});

test('a body that stalls is maybe sent when its time is up', async () => {
  const { baseUrl } = await startPeer((socket) => {
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'));
  });
  expect(await sendTo({ baseUrl })).toMatchObject({ kind: 'maybe_sent', cause: 'UND_ERR_BODY_TIMEOUT' });
});

test('an answer over the limit is given up, and its socket with it', async () => {
  const closed = Promise.withResolvers<void>();
  const { baseUrl } = await startPeer((socket) => {
    socket.on('close', () => closed.resolve());
    socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n${'x'.repeat(20_000)}`));
  });
  expect(await sendTo({ baseUrl }, { bodyTimeoutMs: 60_000 })).toMatchObject({
    kind: 'maybe_sent',
    cause: 'answer_too_large',
  });
  await closed.promise;
});

test('heads of status 1xx are not the answer', async () => {
  const { baseUrl } = await startPeer((socket) => {
    socket.on('data', () => {
      socket.end(
        'HTTP/1.1 103 Early Hints\r\nx-head: early\r\n\r\nHTTP/1.1 200 OK\r\nx-head: real\r\ncontent-length: 2\r\n\r\nok',
      );
    });
  });
  expect(await sendTo({ baseUrl })).toMatchObject({ kind: 'answered', status: 200, headers: { 'x-head': 'real' } });
});

test('a dispatcher that repeats by itself is stopped before the second send', async () => {
  const { baseUrl, peer } = await startPeer((socket, seen) => {
    socket.on('data', () => {
      seen.requests += 1;
      socket.destroy();
    });
  });
  const pool = new Pool(baseUrl);
  toClose.push(() => pool.destroy());
  class Repeating extends Dispatcher {
    override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      return pool.dispatch(options, {
        ...handler,
        onResponseError: (_controller, _error) => {
          pool.dispatch(options, handler);
        },
      });
    }
  }
  const exchange = await exchangeOver(new Repeating(), request(baseUrl), {
    host: 'peer',
    secure: false,
    answerBytesMax: 1_000,
    onLeftQueue: () => undefined,
    onSent: () => undefined,
    onHead: () => undefined,
  });
  expect(exchange.kind).toBe('maybe_sent');
  expect(peer.requests).toBe(1);
});

test('garbage in the place of HTTP is maybe sent', async () => {
  const { baseUrl } = await startPeer((socket) => {
    socket.on('data', () => socket.end('!!! no HTTP at all\r\n\r\n'));
  });
  expect((await sendTo({ baseUrl })).kind).toBe('maybe_sent');
});

test('an abort before anything was sent is not sent, and the peer sees nothing afterwards either', async () => {
  const answered = Promise.withResolvers<void>();
  const { baseUrl, peer } = await startPeer((socket, seen) => {
    socket.on('data', (data) => {
      seen.bytes += data.length;
      seen.requests += 1;
      void answered.promise.then(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
    });
  });
  const http = startClient({ baseUrl }, { connectionsMax: 1 });
  const first = http.send(request(baseUrl));
  const abort = new AbortController();
  const second = http.send(request(baseUrl, { signal: abort.signal }));
  abort.abort(new Error('the caller went away'));
  expect(await second).toMatchObject({ kind: 'not_sent', cause: 'aborted' });
  answered.resolve();
  expect((await first).kind).toBe('answered');
  expect((await http.send(request(baseUrl))).kind).toBe('answered');
  expect(peer.requests).toBe(2);
});

test('an abort in the turn of the send is not sent, and the connection that was opened carries nothing', async () => {
  const { baseUrl, peer } = await startPeer((socket, seen) => {
    socket.on('data', (data) => {
      seen.bytes += data.length;
    });
  });
  const abort = new AbortController();
  const sent = startClient({ baseUrl }).send(request(baseUrl, { signal: abort.signal }));
  abort.abort();
  expect((await sent).kind).toBe('not_sent');
  await systemClock.sleep(100);
  expect(peer.bytes).toBe(0);
});

test('an abort after the request left is maybe sent, and cuts the socket', async () => {
  const closed = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const { baseUrl } = await startPeer((socket) => {
    socket.on('close', () => closed.resolve());
    socket.on('data', () => arrived.resolve());
  });
  const abort = new AbortController();
  // No time-out of undici's shall cut the socket in our place.
  const http = startClient({ baseUrl }, { headersTimeoutMs: 60_000 });
  const sent = http.send(request(baseUrl, { signal: abort.signal }));
  await arrived.promise;
  abort.abort();
  expect(await sent).toMatchObject({ kind: 'maybe_sent', cause: 'aborted' });
  await closed.promise;
});

test('more waiting requests than allowed are refused as not sent', async () => {
  const { baseUrl } = await startPeer((socket) => socket.resume());
  const http = startClient({ baseUrl }, { connectionsMax: 1, waitingMax: 2 });
  const sent = Array.from({ length: 6 }, () => http.send(request(baseUrl)));
  expect(
    (await Promise.all(sent)).filter((exchange) => exchange.kind === 'not_sent' && exchange.cause === 'pool_full'),
  ).not.toEqual([]);
});

test('a request that is held back in the last moment is not sent, and the next one is', async () => {
  const { baseUrl, peer } = await startPeer((socket, seen) => {
    socket.on('data', (data) => {
      seen.bytes += data.byteLength;
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
  });
  const http = startClient({ baseUrl }, { connectionsMax: 1 });
  expect(await http.send(request(baseUrl, { whyNotSend: () => 'contract_rate' }))).toMatchObject({
    kind: 'not_sent',
    cause: 'contract_rate',
  });
  expect(peer.bytes).toBe(0);
  expect(await http.send(request(baseUrl, { whyNotSend: () => undefined }))).toMatchObject({ kind: 'answered' });
});

test('a socket that the peer closed while it was idle never turns a sent request into a not sent one', async () => {
  // The peer answers, waits a moment and closes without a word, as servers do with keep-alive sockets; in the meantime the
  // next request may be on its way.
  for (const idleTurns of [0, 1, 2, 4, 8, 16]) {
    const { baseUrl, peer } = await startPeer((socket, seen) => {
      socket.on('data', () => {
        seen.requests += 1;
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok');
        let turns = idleTurns;
        const next = () => {
          turns -= 1;
          if (turns < 0) socket.destroy();
          else setImmediate(next);
        };
        next();
      });
    });
    const http = startClient({ baseUrl }, { connectionsMax: 1 });
    let answered = 0;
    let maybe = 0;
    for (let round = 0; round < 30; round += 1) {
      const { kind } = await http.send(request(baseUrl));
      if (kind === 'answered') answered += 1;
      else if (kind === 'maybe_sent') maybe += 1;
    }
    // Every request that arrived is accounted for as answered or maybe sent, and none arrived twice.
    expect(peer.requests).toBeGreaterThanOrEqual(answered);
    expect(peer.requests).toBeLessThanOrEqual(answered + maybe);
  }
});

test('sends exactly the bytes it was given', async () => {
  const seen: { url: string | undefined; body: Buffer; length: string | undefined }[] = [];
  const baseUrl = await startHttp((incoming, response) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      seen.push({ url: incoming.url, body: Buffer.concat(parts), length: incoming.headers['content-length'] });
      response.end();
    });
  });
  const body = Buffer.from([0x00, 0xff, 0xe4, 0xbd, 0xa0, 0x0a]);
  await startClient({ baseUrl }).send(request(baseUrl, { path: '/a%20b?x=%2F&y', body }));
  expect(seen).toEqual([{ url: '/a%20b?x=%2F&y', body, length: '6' }]);
});

test('a host that is not configured is never called', async () => {
  const http = startClient({ baseUrl: 'http://127.0.0.1:1' });
  expect(await http.send(request('http://127.0.0.1:2'))).toMatchObject({
    kind: 'not_sent',
    cause: 'host_not_configured',
  });
});

test('close ends what is under way as maybe sent', async () => {
  const arrived = Promise.withResolvers<void>();
  const { baseUrl } = await startPeer((socket) => {
    socket.on('data', () => arrived.resolve());
  });
  const http = startClient({ baseUrl });
  const sent = http.send(request(baseUrl));
  await arrived.promise;
  await http.close();
  expect((await sent).kind).toBe('maybe_sent');
});
