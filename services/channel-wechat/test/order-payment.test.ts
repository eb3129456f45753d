import { createVerify } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { selfSigned } from '@tillmesh/channel-kit/contract';
import { Secret } from '@tillmesh/config';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { WechatAccount } from '../src/config.ts';
import { askOrder, closeOrder, placeOrder } from '../src/order-payment.ts';
import {
  account,
  callOf,
  httpFor,
  KEY_IDS,
  merchantKeys,
  NOW_MS,
  order,
  type PeerAnswer,
  payment,
  signedHeaders,
  startPeer,
  v3Answer,
  type WechatPeer,
  wechatpayKeyPairs,
} from './wechat-peer.ts';

let peer: WechatPeer;
let http: ReturnType<typeof httpFor>;
beforeEach(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterEach(async () => {
  await http.close();
  await peer.close();
});

const call = (more: Partial<WechatAccount> = {}) => callOf(account(peer.baseUrl, more), http);
const qr = order({ kind: 'merchant_qr' });
const jsapi = order({ kind: 'jsapi' });
const CODE_URL = 'weixin://wxpay/bizpayurl?pr=JyC91EIz1';
const TRANSACTION = {
  appid: 'wx8888888888888888',
  mchid: '1900000109',
  out_trade_no: qr.channelOrderNo,
  transaction_id: '4200000000202611220000000002',
  trade_type: 'NATIVE',
  trade_state: 'SUCCESS',
  trade_state_desc: '支付成功',
  bank_type: 'OTHERS',
  success_time: '2026-11-22T11:59:59+08:00',
  payer: { openid: 'o1' },
  amount: { total: 888, payer_total: 888, currency: 'CNY', payer_currency: 'CNY' },
};

/** The pairs of an Authorization header, in whatever order. */
const authorizationOf = (header: string | undefined): Record<string, string> =>
  Object.fromEntries(
    [...(header ?? '').matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  );

test('a Native order gives a code to show; the request is signed over exactly the bytes that were sent', async () => {
  peer.answer = () => v3Answer(200, { code_url: CODE_URL });
  expect(await placeOrder(payment({ order: qr }), call())).toMatchObject({
    outcome: { kind: 'pending_payer' },
    action: { kind: 'qr_code', qrCode: CODE_URL },
    facts: { signature: 'verified' },
  });
  const [request] = peer.seen;
  expect(request).toMatchObject({ method: 'POST', url: '/v3/pay/transactions/native' });
  expect(JSON.parse(request?.body ?? '')).toEqual({
    appid: 'wx8888888888888888',
    mchid: '1900000109',
    description: 'Tea & <cake> 茶',
    out_trade_no: qr.channelOrderNo,
    time_expire: '2026-11-22T12:05:00+08:00',
    notify_url: 'https://pay.example.com/notify/wechat-a',
    amount: { total: 888, currency: 'CNY' },
    scene_info: { payer_client_ip: '10.1.2.3', device_id: 'till-7' },
  });
  expect(request?.headers).toMatchObject({ 'wechatpay-serial': KEY_IDS[0], accept: 'application/json' });
  expect(request?.headers['user-agent']).not.toBe(undefined);
  expect(request?.headers.authorization).toMatch(/^WECHATPAY2-SHA256-RSA2048 /);
  const pairs = authorizationOf(request?.headers.authorization);
  expect(pairs).toMatchObject({ mchid: '1900000109', serial_no: '408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB' });
  const text = `POST\n/v3/pay/transactions/native\n${pairs['timestamp']}\n${pairs['nonce_str']}\n${request?.body}\n`;
  expect(
    createVerify('RSA-SHA256')
      .update(text)
      .verify(merchantKeys.publicKey, pairs['signature'] ?? '', 'base64'),
  ).toBe(true);
});

test('a JSAPI order gives the signed parameters for the page', async () => {
  peer.answer = () => v3Answer(200, { prepay_id: 'wx201410272009395522657a690389285100' });
  const report = await placeOrder(payment({ order: jsapi }), call());
  expect(report.outcome).toEqual({ kind: 'pending_payer' });
  const parameters = report.action?.kind === 'jsapi' ? report.action.parameters : {};
  expect(parameters).toMatchObject({
    appId: 'wx8888888888888888',
    package: 'prepay_id=wx201410272009395522657a690389285100',
    signType: 'RSA',
    timeStamp: String(NOW_MS / 1_000),
  });
  const { appId, timeStamp, nonceStr, package: packageText, paySign = '' } = parameters;
  const text = `${appId}\n${timeStamp}\n${nonceStr}\n${packageText}\n`;
  expect(createVerify('RSA-SHA256').update(text).verify(merchantKeys.publicKey, paySign, 'base64')).toBe(true);
  expect(JSON.parse(peer.seen[0]?.body ?? '')).toMatchObject({ payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' } });
});

test('an App order gives the signed parameters for the SDK', async () => {
  peer.answer = () => v3Answer(200, { prepay_id: 'wx201410272009395522657a690389285100' });
  const report = await placeOrder(payment({ order: order({ kind: 'app' }) }), call());
  expect(peer.seen[0]?.url).toBe('/v3/pay/transactions/app');
  const parameters = report.action?.kind === 'app' ? report.action.parameters : {};
  expect(Object.keys(parameters).toSorted()).toEqual([
    'appid',
    'noncestr',
    'package',
    'partnerid',
    'prepayid',
    'sign',
    'timestamp',
  ]);
  const { appid, timestamp, noncestr, prepayid, sign = '' } = parameters;
  const text = `${appid}\n${timestamp}\n${noncestr}\n${prepayid}\n`;
  expect(createVerify('RSA-SHA256').update(text).verify(merchantKeys.publicKey, sign, 'base64')).toBe(true);
  expect(parameters).toMatchObject({ package: 'Sign=WXPay', partnerid: '1900000109' });
});

test('an H5 order gives an address of WeChat Pay, and of nobody else', async () => {
  const h5 = order({ kind: 'h5' });
  const url = 'https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx20&package=2150917749';
  peer.answer = () => v3Answer(200, { h5_url: url });
  const report = await placeOrder(payment({ order: h5 }), call());
  expect(report.action).toEqual({ kind: 'redirect', url });
  expect(peer.seen[0]?.url).toBe('/v3/pay/transactions/h5');
  expect(JSON.parse(peer.seen[0]?.body ?? '')).toMatchObject({ scene_info: { h5_info: { type: 'Wap' } } });
  for (const wrong of ['https://wx.tenpay.com.example.com/x', 'http://wx.tenpay.com/x', 'javascript:alert(1)', '']) {
    peer.answer = () => v3Answer(200, { h5_url: wrong });
    const other = await placeOrder(payment({ order: h5 }), call());
    expect(other.outcome.kind).toBe('unknown');
    expect(other.action).toBeUndefined();
  }
});

const body = JSON.stringify({ code_url: CODE_URL });
const UNTRUSTED: readonly (readonly [string, PeerAnswer])[] = [
  ['a wrong signature', { status: 200, headers: { ...signedHeaders(body), 'wechatpay-nonce': 'another' }, body }],
  [
    'the signature of a stranger',
    { status: 200, headers: signedHeaders(body, { key: merchantKeys.privateKey }), body },
  ],
  ['a key that we do not know', { status: 200, headers: signedHeaders(body, { serial: 'PUB_KEY_ID_9' }), body }],
  ['one key with the name of the other', { status: 200, headers: signedHeaders(body, { serial: KEY_IDS[1] }), body }],
  ['no signature', { status: 200, headers: { 'content-type': 'application/json' }, body }],
  [
    'a signature of another time',
    { status: 200, headers: signedHeaders(body, { timestamp: String(NOW_MS / 1_000 - 301) }), body },
  ],
  ['a code of another scheme', v3Answer(200, { code_url: 'https://evil.example.com' })],
  ['a code that is no text', v3Answer(200, { code_url: { a: 1 } })],
  ['nothing', v3Answer(200, {})],
  ['half a text', { status: 200, headers: signedHeaders('{"code_url":"wei'), body: '{"code_url":"wei' }],
];
for (const [what, answer] of UNTRUSTED) {
  test(`an order whose answer carries ${what} is unknown, and no code is shown`, async () => {
    peer.answer = () => answer;
    expect(await placeOrder(payment({ order: qr }), call())).toMatchObject({
      outcome: { kind: 'unknown' },
      action: undefined,
    });
  });
}

test('answers under either of two keys are verified at the same time', async () => {
  for (const [index, serial] of KEY_IDS.entries()) {
    const key = wechatpayKeyPairs[index === 0 ? 0 : 1].privateKey;
    peer.answer = () => ({ status: 200, headers: signedHeaders(body, { key, serial }), body });
    expect((await placeOrder(payment({ order: qr }), call())).facts.signature).toBe('verified');
  }
});

const DECLINES: readonly (readonly [number, string, string, boolean])[] = [
  [403, 'NO_AUTH', 'failed_definite', true],
  [403, 'NOAUTH', 'failed_definite', true],
  [400, 'PARAM_ERROR', 'failed_definite', false],
  [403, 'RULE_LIMIT', 'unknown', false],
  [403, 'OUT_TRADE_NO_USED', 'unknown', false],
  [400, 'ORDERPAID', 'unknown', false],
  [429, 'FREQUENCY_LIMITED', 'unknown', false],
  [500, 'SYSTEM_ERROR', 'unknown', false],
  [500, 'PARAM_ERROR', 'unknown', false],
  [400, 'NOVEL_CODE', 'unknown', false],
];
for (const [status, code, outcome, configAlarm] of DECLINES) {
  test(`a verified ${status} ${code} is ${outcome}`, async () => {
    peer.answer = () => v3Answer(status, { code, message: 'because' });
    expect(await placeOrder(payment({ order: qr }), call())).toMatchObject({
      outcome: { kind: outcome },
      channelCode: code,
      channelMessage: 'because',
      configAlarm,
    });
  });
}

const unsigned = (status: number, content: unknown, headers: Record<string, string> = {}): PeerAnswer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8', 'request-id': '08F7', ...headers },
  body: JSON.stringify(content),
});

test('an unsigned decline over plain HTTP is never definite', async () => {
  peer.answer = () => unsigned(403, { code: 'NO_AUTH' });
  expect((await placeOrder(payment({ order: qr }), call())).outcome.kind).toBe('unknown');
});

test('an unsigned decline over verified TLS is definite only as documented, and never with strict signatures', async () => {
  const { certificate, privateKey } = selfSigned();
  let answer: Extract<PeerAnswer, object> = { status: 200, body: '' };
  const server = createServer({ key: privateKey, cert: certificate }, (incoming, response) => {
    incoming.resume().on('end', () => response.writeHead(answer.status, answer.headers).end(answer.body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const baseUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const secure = httpFor(baseUrl, certificate);
  const outcomeOf = async (given: PeerAnswer, strictSignatures = false): Promise<string> => {
    answer = given ?? answer;
    const target = callOf(account(baseUrl, { strictSignatures }), secure);
    return (await placeOrder(payment({ order: qr }), target)).outcome.kind;
  };
  try {
    expect(await outcomeOf(unsigned(403, { code: 'NO_AUTH' }))).toBe('failed_definite');
    expect(await outcomeOf(unsigned(403, { code: 'NO_AUTH' }), true)).toBe('unknown');
    expect(await outcomeOf(unsigned(400, { code: 'NO_AUTH' }))).toBe('unknown');
    expect(await outcomeOf(unsigned(403, { code: 'NO_AUTH' }, { 'request-id': '' }))).toBe('unknown');
    expect(await outcomeOf(unsigned(403, { code: 'NO_AUTH' }, { 'content-type': 'text/html' }))).toBe('unknown');
    expect(await outcomeOf(unsigned(403, { code: 'NOVEL' }))).toBe('unknown');
    expect(await outcomeOf(unsigned(200, { code_url: CODE_URL }))).toBe('unknown');
    const duplicate = { ...unsigned(403, {}), body: '{"code":"NO_AUTH","code":"SYSTEMERROR"}' } as PeerAnswer;
    expect(await outcomeOf(duplicate)).toBe('unknown');
  } finally {
    await secure.close();
    server.closeAllConnections();
    server.close();
  }
});

test('a refused port is a definite failure of placing, and nothing of asking or closing', async () => {
  await peer.close();
  expect((await placeOrder(payment({ order: qr }), call())).outcome).toMatchObject({
    kind: 'failed_definite',
    evidence: { transport: 'not_sent' },
  });
  expect((await askOrder(qr, call())).outcome.kind).toBe('unknown');
  expect(await closeOrder(qr, call())).toMatchObject({
    end: 'undecided',
    repeat: true,
    seen: { outcome: { kind: 'unknown' } },
  });
  peer = await startPeer();
});

test('a lost answer is unknown and maybe sent', async () => {
  expect(await placeOrder(payment({ order: qr }), call())).toMatchObject({
    outcome: { kind: 'unknown' },
    facts: { transport: 'maybe_sent', sends: 1 },
  });
});

test('a query that answers SUCCESS is a success, asked for by order number and merchant', async () => {
  peer.answer = () => v3Answer(200, TRANSACTION);
  expect(await askOrder(qr, call())).toMatchObject({
    outcome: { kind: 'succeeded', paid: { minorUnits: 888n }, paidAtMs: Date.UTC(2026, 10, 22, 3, 59, 59) },
    channelTransactionId: TRANSACTION.transaction_id,
    channelState: 'SUCCESS',
  });
  expect(peer.seen[0]).toMatchObject({
    method: 'GET',
    url: `/v3/pay/transactions/out-trade-no/${qr.channelOrderNo}?mchid=1900000109`,
    body: '',
  });
});

const NO_SUCCESS: readonly (readonly [string, object])[] = [
  ['another amount', { amount: { total: 1, currency: 'CNY' } }],
  ['an amount as text', { amount: { total: '888', currency: 'CNY' } }],
  ['another currency', { amount: { total: 888, currency: 'HKD' } }],
  ['another merchant', { mchid: '1900000110' }],
  ['no merchant', { mchid: undefined }],
  ['another application', { appid: 'wx1' }],
  ['another order', { out_trade_no: '12611221234567800100100172' }],
  ['no transaction number', { transaction_id: undefined }],
  ['no time', { success_time: undefined }],
  ['a state that nobody listed', { trade_state: 'PAID_MAYBE' }],
  ['a state that is no text', { trade_state: ['SUCCESS'] }],
];
for (const [what, change] of NO_SUCCESS) {
  test(`a query whose answer has ${what} is unknown`, async () => {
    peer.answer = () => v3Answer(200, { ...TRANSACTION, ...change });
    expect((await askOrder(qr, call())).outcome.kind).toBe('unknown');
  });
}

const STATES: readonly (readonly [string, object])[] = [
  ['NOTPAY', { kind: 'pending_payer' }],
  ['USERPAYING', { kind: 'pending_payer' }],
  ['REFUND', { kind: 'succeeded' }],
  [
    'CLOSED',
    {
      kind: 'failed_definite',
      closed: true,
      evidence: { signature: 'verified', ruleId: 'wechat-v3.query.trade_state.CLOSED' },
    },
  ],
  ['REVOKED', { kind: 'failed_definite', closed: true }],
  // A payer whose try failed may try again with an order to scan.
  ['PAYERROR', { kind: 'unknown' }],
];
for (const [state, outcome] of STATES) {
  test(`a query that answers ${state} is told as it is, and unknown without a right signature`, async () => {
    peer.answer = () => v3Answer(200, { ...TRANSACTION, trade_state: state });
    expect((await askOrder(qr, call())).outcome).toMatchObject(outcome);
    const text = JSON.stringify({ ...TRANSACTION, trade_state: state });
    for (const headers of [{ 'content-type': 'application/json' }, signedHeaders(`${text} `)]) {
      peer.answer = () => ({ status: 200, headers, body: text });
      expect((await askOrder(qr, call())).outcome.kind).toBe('unknown');
    }
  });
}

test('an order that the channel does not know is told as such, in both spellings', async () => {
  for (const code of ['ORDERNOTEXIST', 'ORDER_NOT_EXIST']) {
    peer.answer = () => v3Answer(404, { code });
    expect(await askOrder(qr, call())).toMatchObject({ outcome: { kind: 'unknown' }, orderNotFound: true });
  }
});

test('a close that answers 204 with a right signature has closed the order', async () => {
  peer.answer = () => v3Answer(204, undefined);
  expect(await closeOrder(qr, call())).toMatchObject({
    end: 'closed',
    repeat: false,
    seen: { outcome: { kind: 'failed_definite', closed: true, evidence: { ruleId: 'wechat-v3.close.204' } } },
  });
  expect(peer.seen[0]).toMatchObject({
    method: 'POST',
    url: `/v3/pay/transactions/out-trade-no/${qr.channelOrderNo}/close`,
  });
  expect(JSON.parse(peer.seen[0]?.body ?? '')).toEqual({ mchid: '1900000109' });
});

const NOT_CLOSED: readonly (readonly [string, PeerAnswer, string])[] = [
  ['204 without a signature', { status: 204, body: '' }, 'undecided'],
  ['204 with a wrong signature', { status: 204, headers: signedHeaders('x'), body: '' }, 'undecided'],
  ['200', v3Answer(200, {}), 'undecided'],
  ['ORDERPAID', v3Answer(400, { code: 'ORDERPAID' }), 'already_paid'],
  ['ORDER_PAID', v3Answer(400, { code: 'ORDER_PAID' }), 'already_paid'],
  ['ORDERPAID without a signature', unsigned(400, { code: 'ORDERPAID' }), 'undecided'],
  ['FREQUENCY_LIMITED', v3Answer(429, { code: 'FREQUENCY_LIMITED' }), 'undecided'],
  ['USERPAYING', v3Answer(202, { code: 'USERPAYING' }), 'payer_paying'],
  ['SYSTEM_ERROR', v3Answer(500, { code: 'SYSTEM_ERROR' }), 'undecided'],
  ['a cut connection', undefined, 'undecided'],
];
for (const [what, answer, end] of NOT_CLOSED) {
  test(`a close that ends in ${what} is ${end}`, async () => {
    peer.answer = () => answer;
    const report = await closeOrder(qr, call());
    expect(report.end).toBe(end);
    expect(report.repeat).toBe(end !== 'already_paid');
    expect(report.seen.outcome.kind).not.toBe('failed_definite');
  });
}

test('an empty notify address is left out, and so is an unknown client', async () => {
  peer.answer = () => v3Answer(200, { code_url: CODE_URL });
  await placeOrder(payment({ order: qr, notifyUrl: '', clientIp: new Secret('') }), call());
  const sent = Object.keys(JSON.parse(peer.seen[0]?.body ?? '') as object);
  expect(sent).not.toContain('notify_url');
  expect(sent).not.toContain('scene_info');
});
