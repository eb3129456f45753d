import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type ChannelHttp,
  createChannelHttp,
  type OrderRef,
  type PaymentRequest,
  type RefundRequest,
} from '@tillmesh/channel-kit';
import { ManualClock, seededRandom } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { money } from '@tillmesh/domain';
import type { AlipayCall } from '../src/client.ts';
import type { AlipayAccount } from '../src/config.ts';

// Alipay as the documents describe it, written here once more with nothing of the adapter's own code.

export const applicationKeys = generateKeyPairSync('rsa', { modulusLength: 2_048 });
export const alipayKeys = generateKeyPairSync('rsa', { modulusLength: 2_048 });
export const NOW_MS = Date.UTC(2026, 10, 22, 4, 0, 0);

/** A request as the peer saw it; query and body decoded. */
export type Seen = { path: string; params: Record<string, string>; headers: IncomingHttpHeaders };
/** What the peer sends back; `undefined` cuts the connection after the request was read. */
export type PeerAnswer = { status: number; headers?: Record<string, string>; body: string | Buffer } | undefined;

export type AlipayPeer = {
  readonly baseUrl: string;
  readonly seen: Seen[];
  answer: (request: Seen) => PeerAnswer;
  close(): Promise<void>;
};

/** Starts a peer that answers as the test says. */
export const startPeer = async (): Promise<AlipayPeer> => {
  const seen: Seen[] = [];
  const server = createServer((incoming, response) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const url = new URL(incoming.url ?? '', 'http://peer');
      const form = new URLSearchParams(Buffer.concat(parts).toString('utf8'));
      const request: Seen = {
        path: url.pathname,
        params: { ...Object.fromEntries(url.searchParams), ...Object.fromEntries(form) },
        headers: incoming.headers,
      };
      seen.push(request);
      const answer = peer.answer(request);
      if (answer === undefined) incoming.socket.destroy();
      else response.writeHead(answer.status, answer.headers ?? {}).end(answer.body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer: AlipayPeer = {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/gateway.do`,
    seen,
    answer: () => undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return peer;
};

export const signText = (text: string, key: KeyObject = alipayKeys.privateKey): string =>
  createSign('RSA-SHA256').update(text, 'utf8').sign(key, 'base64');

/** An answer as Alipay writes it: slashes escaped, the content signed as it stands. */
export const signedBody = (method: string, content: object, sign?: string): string => {
  const raw = JSON.stringify(content).replaceAll('/', '\\/');
  const right = sign ?? signText(raw);
  return `{"${method.replaceAll('.', '_')}_response":${raw}${right === '' ? '' : `,"sign":"${right}"`}}`;
};

const HEADERS = { 'content-type': 'text/html;charset=utf-8', trace_id: '21419f7f17637840000000001e0bfa' };

/** A signed answer to whatever method was asked. */
export const answering =
  (content: object, sign?: string) =>
  ({ params }: Seen): PeerAnswer => ({
    status: 200,
    headers: HEADERS,
    body: signedBody(params['method'] ?? '', content, sign),
  });

export const ok = (content: object) => ({ code: '10000', msg: 'Success', ...content });
export const failed = (subCode: string) => ({
  code: '40004',
  msg: 'Business Failed',
  sub_code: subCode,
  sub_msg: '业务失败',
});

export const account = (baseUrl: string, more: Partial<AlipayAccount> = {}): AlipayAccount => ({
  accountId: 'alipay-a',
  baseUrls: [baseUrl],
  strictSignatures: false,
  acceptsNotifications: true,
  appId: '2021000122682882',
  sellerId: '2088102146225135',
  privateKeyFile: applicationKeys.privateKey,
  alipayPublicKeys: [alipayKeys.publicKey],
  billUrl: baseUrl,
  payerAuth: { authorizeUrl: 'https://openauth.alipay.com/oauth2/publicAppAuthorize.htm' },
  ...more,
});

export const httpFor = (baseUrl: string, authority?: string): ChannelHttp =>
  createChannelHttp({
    channelId: 'alipay',
    hosts: [authority === undefined ? { baseUrl } : { baseUrl, trustedRoots: [authority] }],
    limits: {
      connectionsMax: 8,
      waitingMax: 8,
      connectTimeoutMs: 1_000,
      headersTimeoutMs: 2_000,
      bodyTimeoutMs: 2_000,
      keepAliveMs: 1_000,
      answerBytesMax: 65_536,
    },
    clock: new ManualClock(),
  });

export const callOf = (alipayAccount: AlipayAccount, http: ChannelHttp, nowMs = NOW_MS): AlipayCall => ({
  account: alipayAccount,
  http,
  clock: new ManualClock(nowMs),
  random: seededRandom(1),
  signal: new AbortController().signal,
});

export const order = (more: Partial<OrderRef> = {}): OrderRef => ({
  accountId: 'alipay-a',
  channelOrderNo: '12611221234567800100100171',
  channelTransactionId: '',
  createdAtMs: NOW_MS,
  expireAtMs: undefined,
  kind: 'payment_code',
  amount: money('CNY', 8_880),
  ...more,
});

export const payment = (more: Partial<PaymentRequest> = {}): PaymentRequest => ({
  order: order(),
  subject: 'Tea & "cake" 茶 +1%',
  expireAtMs: NOW_MS + 300_000,
  paymentCode: new Secret('280000000000000009'),
  payerId: new Secret(''),
  clientIp: new Secret('10.1.2.3'),
  notifyUrl: 'https://pay.example.com/notify/alipay-a?x=1&y=2',
  terminalId: 'till-7',
  storeId: 'store-1',
  ...more,
});

export const refund = (more: Partial<RefundRequest> = {}): RefundRequest => ({
  order: order(),
  refundNo: '1261122123456780010010018',
  amount: money('CNY', 100),
  reason: 'too cold',
  notifyUrl: '',
  ...more,
});
