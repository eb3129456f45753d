import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createPlainServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  type ChannelHttp,
  createChannelHttp,
  type OrderRef,
  type PaymentRequest,
  type RefundRequest,
} from '@tillmesh/channel-kit';
import { selfSigned } from '@tillmesh/channel-kit/contract';
import { ManualClock, seededRandom } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { money } from '@tillmesh/domain';
import type { StripeCall } from '../src/client.ts';
import type { StripeAccount } from '../src/config.ts';

// Stripe as the documents describe it, written here once more with nothing of the adapter's own code.

export const NOW_MS = Date.UTC(2026, 10, 22, 4, 0, 0);
export const NOW_S = NOW_MS / 1_000;
export const SECRET_KEY = 'sk_test_51AbCdEfGhIjKlMnOp';
export const WEBHOOK_SECRET = 'whsec_0123456789abcdef';
export const INTENT_ID = 'pi_3MtwBwLkdIwHu7ix28a3tqPa';

/** A request as the peer saw it. */
export type Seen = {
  readonly method: string;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly headers: IncomingHttpHeaders;
};
/** What the peer sends back; `undefined` cuts the connection after the request was read. */
export type PeerAnswer =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body: string | Buffer }
  | undefined;

export type StripePeer = {
  readonly baseUrl: string;
  readonly seen: Seen[];
  answer: (request: Seen) => PeerAnswer;
  close(): Promise<void>;
};

const tls = selfSigned();

/** Starts a peer that answers as the test says. @param plain without TLS: nothing that it says is vouched for. */
export const startPeer = async (plain = false): Promise<StripePeer> => {
  const seen: Seen[] = [];
  const listener: RequestListener = (incoming, response) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const url = new URL(incoming.url ?? '', 'http://peer');
      const form = incoming.method === 'POST' ? new URLSearchParams(Buffer.concat(parts).toString()) : url.searchParams;
      const request: Seen = {
        method: incoming.method ?? '',
        path: url.pathname,
        params: Object.fromEntries(form),
        headers: incoming.headers,
      };
      seen.push(request);
      const answer = peer.answer(request);
      if (answer === undefined) incoming.socket.destroy();
      else response.writeHead(answer.status, answer.headers ?? {}).end(answer.body);
    });
  };
  const server = plain
    ? createPlainServer(listener)
    : createServer({ cert: tls.certificate, key: tls.privateKey }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer: StripePeer = {
    baseUrl: `${plain ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    answer: () => undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return peer;
};

export const HEADERS = { 'content-type': 'application/json', 'request-id': 'req_1AbCdEf' };

export const answering =
  (status: number, body: unknown, headers: Record<string, string> = HEADERS) =>
  (): PeerAnswer => ({ status, headers, body: typeof body === 'string' ? body : JSON.stringify(body) });

/** Answers by method and path; what is not named is cut off. */
export const byPath =
  (answers: Readonly<Record<string, readonly [status: number, body: unknown]>>) =>
  ({ method, path }: Seen): PeerAnswer => {
    const found = answers[`${method} ${path}`];
    return found === undefined ? undefined : answering(...found)();
  };

export const CREATE = 'POST /v1/payment_intents';
export const LOOK = `GET /v1/payment_intents/${INTENT_ID}`;
export const CANCEL = `POST /v1/payment_intents/${INTENT_ID}/cancel`;
export const SEARCH = 'GET /v1/payment_intents/search';
export const LIST = 'GET /v1/payment_intents';
export const REFUNDS = 'GET /v1/refunds';
export const REFUND = 'POST /v1/refunds';

export const intent = (more: object = {}) => ({
  id: INTENT_ID,
  object: 'payment_intent',
  amount: 8_880,
  amount_received: 0,
  created: NOW_S - 10,
  currency: 'cny',
  latest_charge: null,
  livemode: false,
  metadata: { order_no: order().channelOrderNo },
  next_action: null,
  status: 'requires_payment_method',
  ...more,
});

export const paidIntent = (more: object = {}) =>
  intent({
    status: 'succeeded',
    amount_received: 8_880,
    latest_charge: { id: 'ch_1', object: 'charge', created: NOW_S - 5 },
    ...more,
  });

export const waitingIntent = (more: object = {}) =>
  intent({
    status: 'requires_action',
    next_action: {
      type: 'wechat_pay_display_qr_code',
      wechat_pay_display_qr_code: { data: 'weixin://wxpay/bizpayurl?pr=abc' },
    },
    ...more,
  });

export const list = (...data: readonly object[]) => ({ object: 'list', url: '/v1/x', has_more: false, data });

export const error = (type: string, code: string | undefined, more: object = {}) => ({
  error: { type, ...(code === undefined ? {} : { code }), message: 'a message', ...more },
});

export const refundObject = (more: object = {}) => ({
  id: 're_3MtwBwLkdIwHu7ix0snN0B15',
  object: 'refund',
  amount: 100,
  currency: 'cny',
  metadata: { refund_no: refund().refundNo },
  payment_intent: INTENT_ID,
  status: 'succeeded',
  ...more,
});

export const event = (type: string, object: object, more: object = {}) => ({
  id: 'evt_1NG8Du2eZvKYlo2CUI79vXWy',
  object: 'event',
  created: NOW_S - 3,
  livemode: false,
  type,
  data: { object },
  ...more,
});

/** A webhook as Stripe posts it. */
export const webhook = (content: object | string, options: { secret?: string; seconds?: number } = {}) => {
  const { secret = WEBHOOK_SECRET, seconds = NOW_S } = options;
  const text = typeof content === 'string' ? content : JSON.stringify(content, undefined, 2);
  const v1 = createHmac('sha256', secret).update(`${seconds}.${text}`).digest('hex');
  return { headers: { 'stripe-signature': `t=${seconds},v1=${v1},v0=${'0'.repeat(64)}` }, body: Buffer.from(text) };
};

export const account = (baseUrl: string, more: Partial<StripeAccount> = {}): StripeAccount => ({
  accountId: 'stripe-a',
  baseUrls: [baseUrl],
  strictSignatures: false,
  acceptsNotifications: true,
  secretKeyFile: new Secret(SECRET_KEY),
  webhookSecretFiles: [new Secret(WEBHOOK_SECRET)],
  returnUrl: 'https://shop.example.com/back',
  ...more,
});

export const httpFor = (baseUrl: string): ChannelHttp =>
  createChannelHttp({
    channelId: 'stripe',
    hosts: [{ baseUrl, trustedRoots: [tls.certificate] }],
    limits: {
      connectionsMax: 16,
      waitingMax: 16,
      connectTimeoutMs: 2_000,
      headersTimeoutMs: 2_000,
      bodyTimeoutMs: 2_000,
      keepAliveMs: 1_000,
      answerBytesMax: 65_536,
    },
    clock: new ManualClock(),
  });

export const callOf = (stripeAccount: StripeAccount, http: ChannelHttp, nowMs = NOW_MS): StripeCall => ({
  account: stripeAccount,
  http,
  clock: new ManualClock(nowMs),
  random: seededRandom(1),
  signal: new AbortController().signal,
});

export const order = (more: Partial<OrderRef> = {}): OrderRef => ({
  accountId: 'stripe-a',
  channelOrderNo: '12611221234567800100100171',
  channelTransactionId: '',
  createdAtMs: NOW_MS,
  expireAtMs: NOW_MS + 7_200_000,
  kind: 'merchant_qr',
  amount: money('CNY', 8_880),
  ...more,
});

export const payment = (more: Partial<PaymentRequest> = {}): PaymentRequest => ({
  order: order(),
  subject: 'Tea & "cake" 茶 +1% [x]',
  expireAtMs: NOW_MS + 300_000,
  paymentCode: new Secret(''),
  payerId: new Secret('pm_card_visa'),
  clientIp: new Secret('10.1.2.3'),
  notifyUrl: 'https://pay.example.com/notify/stripe/stripe-a',
  terminalId: 'till-7',
  storeId: '',
  ...more,
});

export const cardPayment = (more: Partial<PaymentRequest> = {}): PaymentRequest =>
  payment({ order: order({ kind: 'card', wallet: 'card' }), ...more });

export const refund = (more: Partial<RefundRequest> = {}): RefundRequest => ({
  order: order({ channelTransactionId: INTENT_ID }),
  refundNo: '1261122123456780010010018',
  amount: money('CNY', 100),
  reason: 'too cold',
  notifyUrl: '',
  ...more,
});
