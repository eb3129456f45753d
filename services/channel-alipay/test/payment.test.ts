import { createSign, createVerify } from 'node:crypto';
import { money } from '@tillmesh/domain';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askOrder, payByCode, placeOrder } from '../src/payment.ts';
import {
  type AlipayPeer,
  account,
  alipayKeys,
  answering,
  applicationKeys,
  callOf,
  failed,
  httpFor,
  NOW_MS,
  ok,
  order,
  type PeerAnswer,
  payment,
  type Seen,
  signedBody,
  startPeer,
} from './alipay-peer.ts';

let peer: AlipayPeer;
let http: ReturnType<typeof httpFor>;
beforeEach(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterEach(async () => {
  await http.close();
  await peer.close();
});

const call = () => callOf(account(peer.baseUrl), http);
const qr = order({ kind: 'merchant_qr' });
const PAID = ok({
  trade_no: '2026112222001004680073956707',
  out_trade_no: order().channelOrderNo,
  buyer_logon_id: '159****5620',
  total_amount: '88.80',
  receipt_amount: '88.80',
  gmt_payment: '2026-11-22 11:59:59',
});
const TRADE = ok({
  trade_no: '2026112222001004680073956707',
  out_trade_no: order().channelOrderNo,
  trade_status: 'TRADE_SUCCESS',
  total_amount: '88.80',
  send_pay_date: '2026-11-22 11:59:59',
});
const CODE = 'https://qr.alipay.com/bavh4wjlxf12tper3a';
const contentOf = ({ params }: Pick<Seen, 'params'>): unknown => JSON.parse(params['biz_content'] ?? '');

for (const zone of ['UTC', 'America/New_York']) {
  test(`a paid answer is a success, and the request is signed in Beijing time, on a host in ${zone}`, async () => {
    const zoneBefore = process.env['TZ'];
    process.env['TZ'] = zone;
    try {
      peer.answer = answering(PAID);
      expect(await payByCode(payment(), call())).toMatchObject({
        outcome: {
          kind: 'succeeded',
          paid: { currency: 'CNY', minorUnits: 8_880n },
          channelTransactionId: '2026112222001004680073956707',
          paidAtMs: Date.UTC(2026, 10, 22, 3, 59, 59),
        },
        facts: { transport: 'answered', signature: 'verified', sends: 1 },
        channelCode: '10000',
      });
    } finally {
      if (zoneBefore === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zoneBefore;
    }
    const [request] = peer.seen;
    const { sign = '', ...params } = request?.params ?? {};
    expect(request?.path).toBe('/gateway.do');
    expect(params).toMatchObject({
      app_id: '2021000122682882',
      method: 'alipay.trade.pay',
      format: 'JSON',
      charset: 'utf-8',
      sign_type: 'RSA2',
      version: '1.0',
      timestamp: '2026-11-22 12:00:00',
      notify_url: 'https://pay.example.com/notify/alipay-a?x=1&y=2',
    });
    expect(contentOf({ params })).toEqual({
      out_trade_no: order().channelOrderNo,
      subject: 'Tea & "cake" 茶 +1%',
      total_amount: '88.80',
      timeout_express: '5m',
      terminal_id: 'till-7',
      scene: 'bar_code',
      auth_code: '280000000000000009',
    });
    const text = Object.keys(params)
      .sort()
      .map((name) => `${name}=${params[name]}`)
      .join('&');
    expect(createVerify('RSA-SHA256').update(text).verify(applicationKeys.publicKey, sign, 'base64')).toBe(true);
  });
}

const CHANGES: readonly (readonly [string, object])[] = [
  ['another amount', { total_amount: '88.79' }],
  ['a third decimal', { total_amount: '88.800' }],
  ['an amount as a number', { total_amount: 88.8 }],
  ['another currency', { trans_currency: 'HKD' }],
  ['another order', { out_trade_no: '12611221234567800100100172' }],
  ['no order', { out_trade_no: undefined }],
  ['another seller', { seller_id: '2088102146225136' }],
  ['no trade number', { trade_no: undefined }],
  ['no time', { gmt_payment: undefined, send_pay_date: undefined }],
  ['a time that does not exist', { gmt_payment: '2026-02-30 00:00:00', send_pay_date: '2026-02-30 00:00:00' }],
];
for (const [what, change] of CHANGES) {
  test(`a paid answer with ${what} is unknown, for a payment and for a query`, async () => {
    peer.answer = answering({ ...PAID, ...change });
    expect((await payByCode(payment(), call())).outcome.kind).toBe('unknown');
    peer.answer = answering({ ...TRADE, ...change });
    expect((await askOrder(order(), call())).outcome.kind).toBe('unknown');
  });
}

test('the signature counts over the text as it was received, escaped slashes and white space included', async () => {
  const raw = `{ "code":"10000",\n"out_trade_no":"${order().channelOrderNo}", "qr_code":"https:\\/\\/qr.alipay.com\\/bav\\u0068" }`;
  const sign = createSign('RSA-SHA256').update(raw).sign(alipayKeys.privateKey, 'base64');
  peer.answer = () => ({
    status: 200,
    body: `{"sign":"${sign.replaceAll('/', '\\/')}","alipay_trade_precreate_response" : ${raw} }`,
  });
  expect(await placeOrder(payment({ order: qr }), call())).toMatchObject({
    facts: { signature: 'verified' },
    action: { qrCode: 'https://qr.alipay.com/bavh' },
  });
});

test('an order to scan gives a code to show', async () => {
  peer.answer = answering(ok({ out_trade_no: qr.channelOrderNo, qr_code: CODE }));
  expect(await placeOrder(payment({ order: qr }), call())).toMatchObject({
    outcome: { kind: 'pending_payer' },
    action: { kind: 'qr_code', qrCode: CODE },
  });
  expect(peer.seen[0]?.params['method']).toBe('alipay.trade.precreate');
  expect(contentOf(peer.seen[0] ?? { params: {} })).not.toHaveProperty('auth_code');
});

const UNTRUSTED: readonly (readonly [string, (request: Seen) => PeerAnswer])[] = [
  ['a wrong signature', answering(ok({ out_trade_no: qr.channelOrderNo, qr_code: CODE }), 'AAAA')],
  ['no signature', answering(ok({ out_trade_no: qr.channelOrderNo, qr_code: CODE }), '')],
  ['the code of another order', answering(ok({ out_trade_no: '12611221234567800100100172', qr_code: CODE }))],
  [
    'a code of another house',
    answering(ok({ out_trade_no: qr.channelOrderNo, qr_code: 'https://evil.example.com/x' })),
  ],
  ['no code', answering(ok({ out_trade_no: qr.channelOrderNo }))],
  [
    'the answer to another method',
    () => ({
      status: 200,
      body: signedBody('alipay.trade.query', ok({ out_trade_no: qr.channelOrderNo, qr_code: CODE })),
    }),
  ],
];
for (const [what, answer] of UNTRUSTED) {
  test(`an order whose answer carries ${what} is unknown, and no code is shown`, async () => {
    peer.answer = answer;
    expect(await placeOrder(payment({ order: qr }), call())).toMatchObject({
      outcome: { kind: 'unknown' },
      action: undefined,
    });
  });
}

test('the payer types: pending with the number of the trade', async () => {
  const waiting = { code: '10003', msg: 'Wait', trade_no: '42', out_trade_no: order().channelOrderNo };
  peer.answer = answering(waiting);
  expect(await payByCode(payment(), call())).toMatchObject({
    outcome: { kind: 'pending_payer' },
    channelTransactionId: '42',
    channelCode: '10003',
  });
  peer.answer = answering({ ...waiting, out_trade_no: 'other12345' });
  expect((await payByCode(payment(), call())).outcome.kind).toBe('unknown');
  peer.answer = answering(waiting, 'AAAA');
  expect((await payByCode(payment(), call())).outcome.kind).toBe('unknown');
});

test('a listed decline is definite with its row; codes of an earlier state are worth a query', async () => {
  peer.answer = answering(failed('ACQ.BUYER_BALANCE_NOT_ENOUGH'));
  expect(await payByCode(payment(), call())).toMatchObject({
    outcome: {
      kind: 'failed_definite',
      evidence: { signature: 'verified', ruleId: 'alipay.pay.ACQ.BUYER_BALANCE_NOT_ENOUGH' },
      reason: 'insufficient_funds',
    },
    channelCode: '40004',
    channelSubCode: 'ACQ.BUYER_BALANCE_NOT_ENOUGH',
    channelMessage: '业务失败',
  });
  for (const subCode of ['ACQ.TRADE_HAS_SUCCESS', 'ACQ.CONTEXT_INCONSISTENT', 'ACQ.SYSTEM_ERROR']) {
    peer.answer = answering(failed(subCode));
    expect(await payByCode(payment(), call())).toMatchObject({ outcome: { kind: 'unknown' }, queryNow: true });
  }
});

const UNPROVEN: readonly (readonly [string, (request: Seen) => PeerAnswer])[] = [
  ['a decline with a wrong signature', answering(failed('ACQ.BUYER_BALANCE_NOT_ENOUGH'), 'AAAA')],
  ['a decline without a signature', answering(failed('ACQ.BUYER_BALANCE_NOT_ENOUGH'), '')],
  ['a code that nobody listed', answering(failed('ACQ.NOVEL'))],
  ['20000', answering({ code: '20000', msg: 'Service Currently Unavailable', sub_code: 'isp.unknow-error' })],
  ['a code that is no text', answering({ code: 40001 })],
  ['an HTML page', () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<html></html>' })],
  [
    'a code that stands twice',
    () => ({ status: 200, body: '{"alipay_trade_pay_response":{"code":"40004","code":"40001"}}' }),
  ],
  ['a cut connection', () => undefined],
];
for (const [what, answer] of UNPROVEN) {
  test(`${what} is unknown and never sent twice`, async () => {
    peer.answer = answer;
    expect((await payByCode(payment(), call())).outcome.kind).toBe('unknown');
    expect(peer.seen).toHaveLength(1);
  });
}

test('whatever HTTP calls an error of the server is unknown, a success too', async () => {
  for (const content of [failed('ACQ.BUYER_BALANCE_NOT_ENOUGH'), { ...PAID, ...TRADE }]) {
    peer.answer = (request) => {
      const answer = answering(content)(request);
      return answer === undefined ? undefined : { ...answer, status: 500 };
    };
    expect((await payByCode(payment(), call())).outcome.kind).toBe('unknown');
    expect((await askOrder(order(), call())).outcome.kind).toBe('unknown');
  }
});

test('a base address without a path leads to the gateway', async () => {
  peer.answer = answering(PAID);
  const baseUrl = peer.baseUrl.replace('/gateway.do', '');
  const rootHttp = httpFor(baseUrl);
  expect((await payByCode(payment(), callOf(account(baseUrl), rootHttp))).outcome.kind).toBe('succeeded');
  expect(peer.seen[0]?.path).toBe('/gateway.do');
  await rootHttp.close();
});

test('an error of the gateway comes as error_response', async () => {
  peer.answer = () => ({
    status: 200,
    body: signedBody('error', { code: '40002', msg: 'Invalid Arguments', sub_code: 'isv.invalid-app-id' }),
  });
  expect(await payByCode(payment(), call())).toMatchObject({
    outcome: { kind: 'failed_definite', reason: 'account_refused' },
    configAlarm: true,
  });
});

test('a channel that refuses connections is a definite failure of the payment, and says nothing of a query', async () => {
  await peer.close();
  expect(await payByCode(payment(), call())).toMatchObject({
    outcome: { kind: 'failed_definite', evidence: { transport: 'not_sent' } },
  });
  expect(await placeOrder(payment({ order: qr }), call())).toMatchObject({ outcome: { kind: 'failed_definite' } });
  expect(await askOrder(order(), call())).toMatchObject({
    outcome: { kind: 'unknown' },
    facts: { transport: 'not_sent' },
  });
  peer = await startPeer();
});

const STATUSES: readonly (readonly [string, object])[] = [
  ['TRADE_SUCCESS', { kind: 'succeeded' }],
  ['TRADE_FINISHED', { kind: 'succeeded' }],
  ['WAIT_BUYER_PAY', { kind: 'pending_payer' }],
  ['TRADE_CLOSED', { kind: 'failed_definite', closed: true }],
  ['NOVEL', { kind: 'unknown' }],
];
for (const [status, outcome] of STATUSES) {
  test(`a query that answers ${status} is told as it is, and unknown without a right signature`, async () => {
    peer.answer = answering({ ...TRADE, trade_status: status });
    expect(await askOrder(order(), call())).toMatchObject({ outcome, channelState: status });
    for (const sign of ['AAAA', '']) {
      peer.answer = answering({ ...TRADE, trade_status: status }, sign);
      expect((await askOrder(order(), call())).outcome.kind).toBe('unknown');
    }
    peer.answer = answering({ ...TRADE, trade_status: status, out_trade_no: 'other12345' });
    expect((await askOrder(order(), call())).outcome.kind).toBe('unknown');
  });
}

test('an order that the channel does not know is told as such', async () => {
  peer.answer = answering(failed('ACQ.TRADE_NOT_EXIST'));
  expect(await askOrder(order(), call())).toMatchObject({ outcome: { kind: 'unknown' }, orderNotFound: true });
  peer.answer = answering(failed('ACQ.TRADE_NOT_EXIST'), '');
  expect((await askOrder(order(), call())).orderNotFound).toBe(false);
});

test('the time to pay is never longer than ours, and at least a minute', async () => {
  peer.answer = answering(ok({}));
  const times: [number, string][] = [
    [30_000, '1m'],
    [119_999, '1m'],
    [7_200_000, '120m'],
    [86_400_000, '120m'],
  ];
  for (const [lastsMs] of times) await placeOrder(payment({ order: qr, expireAtMs: NOW_MS + lastsMs }), call());
  // From the scan, and from the making of the code.
  expect(peer.seen.map(contentOf)).toMatchObject(
    times.map(([, text]) => ({ timeout_express: text, qr_code_timeout_express: text })),
  );
});

test('a repeat some minutes later asks for the same', async () => {
  peer.answer = answering(ok({}));
  for (const laterMs of [0, 200_000]) {
    await placeOrder(payment({ order: qr }), callOf(account(peer.baseUrl), http, NOW_MS + laterMs));
  }
  expect(peer.seen[0]?.params['timestamp']).not.toBe(peer.seen[1]?.params['timestamp']);
  expect(peer.seen[0]?.params['biz_content']).toBe(peer.seen[1]?.params['biz_content']);
});

test('amounts are written with two decimals, never as a float', async () => {
  peer.answer = answering(ok({}));
  for (const fen of [1, 10, 100, 12_345_678_901])
    await payByCode(payment({ order: order({ amount: money('CNY', fen) }) }), call());
  expect(peer.seen.map((request) => (contentOf(request) as { total_amount: string }).total_amount)).toEqual([
    '0.01',
    '0.10',
    '1.00',
    '123456789.01',
  ]);
});
