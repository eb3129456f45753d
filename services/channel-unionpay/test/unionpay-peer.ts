import { createHash, createSign, generateKeyPairSync } from 'node:crypto';
import type { ChannelHttp, HttpRequest, OrderRef, PaymentRequest } from '@tillmesh/channel-kit';
import { ManualClock, seededRandom } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { money } from '@tillmesh/domain';
import type { UnionpayAccount } from '../src/config.ts';

// UnionPay as the documents describe it, written here once more with nothing of the adapter's own code.

export const NOW_MS = Date.UTC(2026, 10, 22, 4, 0, 0);
/** The same, as Beijing writes it. */
export const NOW = '20261122120000';
export const merchantKeys = generateKeyPairSync('rsa', { modulusLength: 2_048 });
export const unionpayKeys = generateKeyPairSync('rsa', { modulusLength: 2_048 });

export type Fields = Readonly<Record<string, string>>;

const textOf = (fields: Fields): string =>
  Object.keys(fields)
    .filter((name) => name !== 'signature' && fields[name] !== '')
    .toSorted()
    .map((name) => `${name}=${fields[name]}`)
    .join('&');
export const hexOf = (fields: Fields): string => createHash('sha256').update(textOf(fields)).digest('hex');
export const signedBy = (fields: Fields, key = unionpayKeys.privateKey): Fields => ({
  ...fields,
  signature: createSign('RSA-SHA256').update(hexOf(fields)).sign(key, 'base64'),
});

/** An answer as the gateway writes it: not encoded. */
export const written = (fields: Fields): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join('&');

export const account: UnionpayAccount = {
  accountId: 'unionpay-a',
  baseUrls: ['https://gateway.95516.com/gateway/api'],
  strictSignatures: false,
  acceptsNotifications: true,
  merId: '777290058110048',
  certId: '68759663125',
  privateKeyFile: merchantKeys.privateKey,
  unionpayCertificates: [unionpayKeys.publicKey],
  fileUrl: 'http://127.0.0.1:1',
  certificateTrust: { authorities: [], signerNames: ['中国银联股份有限公司'] },
  undoSameDay: false,
  confirmedCodes: { notFound: ['34'], declined: { '51': 'insufficient_funds' } },
};
export const order = (more: Partial<OrderRef> = {}): OrderRef => ({
  accountId: 'unionpay-a',
  channelOrderNo: '12611220001440000010010011',
  channelTransactionId: '',
  createdAtMs: NOW_MS,
  expireAtMs: NOW_MS + 600_000,
  kind: 'payment_code',
  amount: money('CNY', 888n),
  ...more,
});
export const payment = (more: Partial<PaymentRequest> = {}): PaymentRequest => ({
  order: order(),
  subject: '茶 & cake=1',
  expireAtMs: NOW_MS + 600_000,
  paymentCode: new Secret('6212345678901234567'),
  payerId: new Secret(''),
  clientIp: new Secret(''),
  notifyUrl: 'https://edge.example.com/notify/unionpay/unionpay-a',
  terminalId: '',
  storeId: '',
  ...more,
});
export const ABOUT: Fields = {
  version: '5.1.0',
  encoding: 'UTF-8',
  signMethod: '01',
  merId: account.merId,
  orderId: order().channelOrderNo,
  txnTime: NOW,
};
export const PAID: Fields = {
  ...ABOUT,
  respCode: '00',
  origRespCode: '00',
  txnAmt: '888',
  currencyCode: '156',
  queryId: '202611221200001234567',
  traceTime: '1122120003',
};

/** UnionPay answering with a text; what it was sent stands in `sent`. */
export const callAnswered = (
  body: string | undefined | ((request: HttpRequest) => string | undefined),
  options: { readonly status?: number; readonly nowMs?: number } = {},
) => {
  const sent: HttpRequest[] = [];
  const http: ChannelHttp = {
    send: async (request) => {
      sent.push(request);
      const text = typeof body === 'function' ? body(request) : body;
      return text === undefined
        ? { kind: 'maybe_sent', host: 'gateway.95516.com', cause: 'reset', sends: 1 }
        : {
            kind: 'answered',
            status: options.status ?? 200,
            headers: { 'content-type': 'text/html;charset=UTF-8' },
            body: Buffer.from(text),
            host: 'gateway.95516.com',
            sends: 1,
            secure: true,
          };
    },
    close: async () => undefined,
  };
  const clock = new ManualClock(options.nowMs ?? NOW_MS);
  return { account, http, clock, random: seededRandom(1), signal: new AbortController().signal, sent };
};
