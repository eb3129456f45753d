import { createHmac, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
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
import type { WechatAccount } from '../src/config.ts';
import type { WechatCall } from '../src/wechat-call.ts';

// WeChat Pay as the documents describe it, written here once more with nothing of the adapter's own code.

export const merchantKeys = generateKeyPairSync('rsa', { modulusLength: 2_048 });
export const wechatpayKeyPairs = [
  generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  generateKeyPairSync('rsa', { modulusLength: 2_048 }),
] as const;
export const KEY_IDS = ['PUB_KEY_ID_0100000001', '5157F09EFDC096DE15EBE81A47057A7232F1B8E1'] as const;
export const API_V2_KEY = 'v2v2v2v2v2v2v2v2v2v2v2v2v2v2v2v2';
export const API_V3_KEY = 'v3v3v3v3v3v3v3v3v3v3v3v3v3v3v3v3';
export const NOW_MS = Date.UTC(2026, 10, 22, 4, 0, 0);

/** A request as the peer saw it. */
export type Seen = { method: string; url: string; headers: IncomingHttpHeaders; body: string };
/** What the peer sends back; `undefined` cuts the connection after the request was read. */
export type PeerAnswer = { status: number; headers?: Record<string, string>; body: string | Buffer } | undefined;

export type WechatPeer = {
  readonly baseUrl: string;
  readonly seen: Seen[];
  answer: (request: Seen) => PeerAnswer;
  close(): Promise<void>;
};

/** Starts a peer that answers as the test says. */
export const startPeer = async (): Promise<WechatPeer> => {
  const seen: Seen[] = [];
  const server = createServer((incoming, response) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const request: Seen = {
        method: incoming.method ?? '',
        url: incoming.url ?? '',
        headers: incoming.headers,
        body: Buffer.concat(parts).toString('utf8'),
      };
      seen.push(request);
      const answer = peer.answer(request);
      if (answer === undefined) incoming.socket.destroy();
      else response.writeHead(answer.status, answer.headers ?? {}).end(answer.body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer: WechatPeer = {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    answer: () => undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return peer;
};

/** Headers of an answer that WeChat Pay signed. */
export const signedHeaders = (
  body: string,
  more: { key?: KeyObject; serial?: string; timestamp?: string; nonce?: string } = {},
): Record<string, string> => {
  const timestamp = more.timestamp ?? String(NOW_MS / 1_000);
  const nonce = more.nonce ?? 'c5ac7061fccab6bf3e254dcf98995b8c';
  const key = more.key ?? wechatpayKeyPairs[0].privateKey;
  return {
    'content-type': 'application/json; charset=utf-8',
    'request-id': '08F78BB5AF0610D302',
    'wechatpay-nonce': nonce,
    'wechatpay-serial': more.serial ?? KEY_IDS[0],
    'wechatpay-timestamp': timestamp,
    'wechatpay-signature': createSign('RSA-SHA256').update(`${timestamp}\n${nonce}\n${body}\n`).sign(key, 'base64'),
  };
};

/** A signed v3 answer. */
export const v3Answer = (status: number, content: unknown): PeerAnswer => {
  const body = content === undefined ? '' : JSON.stringify(content);
  return { status, headers: signedHeaders(body), body };
};

/** A v2 answer, with a right HMAC unless `sign` is given. */
export const v2Xml = (fields: Record<string, string>, sign?: string): string => {
  const all: Record<string, string> = {
    appid: 'wx8888888888888888',
    mch_id: '1900000109',
    nonce_str: 'abc',
    ...fields,
  };
  const text = Object.keys(all)
    .filter((name) => all[name] !== '')
    .sort()
    .map((name) => `${name}=${all[name]}`)
    .join('&');
  const right = createHmac('sha256', API_V2_KEY).update(`${text}&key=${API_V2_KEY}`).digest('hex').toUpperCase();
  const inner = Object.entries({ ...all, sign: sign ?? right })
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `<${name}><![CDATA[${value}]]></${name}>`)
    .join('\n');
  return `<xml>${inner}</xml>`;
};
export const v2Answer = (fields: Record<string, string>, sign?: string): PeerAnswer => ({
  status: 200,
  headers: { 'content-type': 'text/xml; charset=utf-8', 'request-id': '08F78B' },
  body: v2Xml({ return_code: 'SUCCESS', return_msg: 'OK', ...fields }, sign),
});

/** What the fields of a request's XML say. */
export const v2FieldsOf = (xml: string): Record<string, string> =>
  Object.fromEntries([...xml.matchAll(/<([a-z_]+)>([^<]*)<\/\1>/g)].map(([, name = '', value = '']) => [name, value]));

export const account = (baseUrl: string, more: Partial<WechatAccount> = {}): WechatAccount => ({
  accountId: 'wechat-a',
  baseUrls: [baseUrl],
  strictSignatures: false,
  acceptsNotifications: true,
  mchId: '1900000109',
  appId: 'wx8888888888888888',
  merchantSerialNo: '408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB',
  privateKeyFile: merchantKeys.privateKey,
  apiV3KeyFile: new Secret(API_V3_KEY),
  apiV2KeyFile: new Secret(API_V2_KEY),
  v2SignType: 'HMAC-SHA256',
  codePayments: 'v2',
  wechatpayKeys: KEY_IDS.map((id, index) => ({ id, keyFile: wechatpayKeyPairs[index === 0 ? 0 : 1].publicKey })),
  ...more,
});

export const httpFor = (baseUrl: string, authority?: string): ChannelHttp =>
  createChannelHttp({
    channelId: 'wechat',
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

export const callOf = (wechatAccount: WechatAccount, http: ChannelHttp): WechatCall => ({
  account: wechatAccount,
  http,
  clock: new ManualClock(NOW_MS),
  random: seededRandom(1),
  signal: new AbortController().signal,
});

export const order = (more: Partial<OrderRef> = {}): OrderRef => ({
  accountId: 'wechat-a',
  channelOrderNo: '12611221234567800100100171',
  channelTransactionId: '',
  createdAtMs: NOW_MS,
  expireAtMs: undefined,
  kind: 'payment_code',
  amount: money('CNY', 888),
  ...more,
});

export const payment = (more: Partial<PaymentRequest> = {}): PaymentRequest => ({
  order: order(),
  subject: 'Tea & <cake> 茶',
  expireAtMs: NOW_MS + 300_000,
  paymentCode: new Secret('130000000000000009'),
  payerId: new Secret('oUpF8uMuAJO_M2pxb1Q9zNjWeS6o'),
  clientIp: new Secret('10.1.2.3'),
  notifyUrl: 'https://pay.example.com/notify/wechat-a',
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
