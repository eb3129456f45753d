import { Secret } from '@tillmesh/config';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { wechat } from '../src/channel.ts';
import { askByCode, payByCode, reverseByCode } from '../src/code-payment.ts';
import type { WechatAccount } from '../src/config.ts';
import { signV2, verifyV2 } from '../src/v2-signature.ts';
import {
  API_V2_KEY,
  account,
  callOf,
  httpFor,
  order,
  type PeerAnswer,
  payment,
  startPeer,
  v2Answer,
  v2FieldsOf,
  v2Xml,
  type WechatPeer,
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
const PAID = {
  result_code: 'SUCCESS',
  openid: 'o1',
  trade_type: 'MICROPAY',
  bank_type: 'CMC',
  total_fee: '888',
  fee_type: 'CNY',
  cash_fee: '888',
  transaction_id: '4200000000202611220000000001',
  out_trade_no: order().channelOrderNo,
  time_end: '20261122115959',
};
const failed = (code: string, text = '') => v2Answer({ result_code: 'FAIL', err_code: code, err_code_des: text });

test('a paid answer is a success, and the request is what the document asks for', async () => {
  peer.answer = () => v2Answer(PAID);
  const report = await payByCode(payment(), call());
  expect(report).toMatchObject({
    outcome: {
      kind: 'succeeded',
      paid: { currency: 'CNY', minorUnits: 888n },
      channelTransactionId: PAID.transaction_id,
      paidAtMs: Date.UTC(2026, 10, 22, 3, 59, 59),
    },
    facts: { transport: 'answered', signature: 'verified', sends: 1, httpStatus: 200 },
  });
  const [request] = peer.seen;
  expect(request).toMatchObject({ method: 'POST', url: '/pay/micropay' });
  expect(request?.headers['content-type']).toMatch(/^text\/xml/);
  const fields = v2FieldsOf(request?.body ?? '');
  expect(fields).toMatchObject({
    appid: 'wx8888888888888888',
    mch_id: '1900000109',
    sign_type: 'HMAC-SHA256',
    out_trade_no: order().channelOrderNo,
    total_fee: '888',
    auth_code: '130000000000000009',
    spbill_create_ip: '10.1.2.3',
    body: 'Tea &amp; &lt;cake&gt; 茶',
  });
  const plain = { ...fields, body: 'Tea & <cake> 茶' };
  expect(verifyV2(plain, API_V2_KEY, 'HMAC-SHA256')).toBe('verified');
});

const NOT_PAID: readonly (readonly [string, Record<string, string>, string?])[] = [
  ['another amount', { ...PAID, total_fee: '889' }],
  ['a fraction of a fen', { ...PAID, total_fee: '888.0' }],
  ['another currency', { ...PAID, fee_type: 'HKD' }],
  ['another order', { ...PAID, out_trade_no: '12611221234567800100100172' }],
  ['another merchant', { ...PAID, mch_id: '1900000110' }],
  ['another application', { ...PAID, appid: 'wx7777777777777777' }],
  ['no transaction number', { ...PAID, transaction_id: '' }],
  ['no time', { ...PAID, time_end: '' }],
  ['a time that does not exist', { ...PAID, time_end: '20260230000000' }],
  ['a wrong signature', PAID, '0'.repeat(64)],
  ['no signature', PAID, ''],
  ['a result_code that nobody listed', { ...PAID, result_code: 'MAYBE' }],
];
for (const [what, fields, sign] of NOT_PAID) {
  test(`a paid answer with ${what} is unknown, for a payment and for a query`, async () => {
    peer.answer = () => v2Answer({ trade_state: 'SUCCESS', ...fields }, sign);
    expect((await payByCode(payment(), call())).outcome.kind).toBe('unknown');
    expect((await askByCode(order(), call())).outcome.kind).toBe('unknown');
  });
}

test('a signature made with MD5 where HMAC was asked for is wrong', async () => {
  const fields = {
    return_code: 'SUCCESS',
    appid: 'wx8888888888888888',
    mch_id: '1900000109',
    nonce_str: 'abc',
    ...PAID,
  };
  peer.answer = () => v2Answer(PAID, signV2({ ...fields, return_msg: 'OK' }, API_V2_KEY, 'MD5'));
  expect(await payByCode(payment(), call())).toMatchObject({
    outcome: { kind: 'unknown' },
    facts: { signature: 'invalid' },
  });
});

test('a success that comes with another HTTP status than 200 is unknown', async () => {
  for (const status of [500, 404]) {
    peer.answer = () => ({
      status,
      headers: { 'content-type': 'text/xml' },
      body: v2Xml({ return_code: 'SUCCESS', ...PAID }),
    });
    expect((await payByCode(payment(), call())).outcome.kind).toBe('unknown');
  }
});

test('the payer types: pending, for a payment and for a query', async () => {
  peer.answer = () => failed('USERPAYING', '需要用户输入支付密码');
  expect((await payByCode(payment(), call())).outcome).toEqual({ kind: 'pending_payer' });
  peer.answer = () =>
    v2Answer({ result_code: 'SUCCESS', trade_state: 'USERPAYING', out_trade_no: order().channelOrderNo });
  expect((await askByCode(order(), call())).outcome).toEqual({ kind: 'pending_payer' });
});

test('a listed decline is definite with its row and its reason; what the channel said is kept', async () => {
  peer.answer = () => failed('NOTENOUGH', '余额不足');
  expect(await payByCode(payment(), call())).toMatchObject({
    outcome: {
      kind: 'failed_definite',
      evidence: { transport: 'answered', signature: 'verified', ruleId: 'wechat-v2.pay.NOTENOUGH' },
      reason: 'insufficient_funds',
      closed: false,
    },
    channelCode: 'NOTENOUGH',
    channelMessage: '余额不足',
  });
});

test('codes that speak of an earlier state of the order are unknown, and worth a query at once', async () => {
  for (const code of ['ORDERPAID', 'OUT_TRADE_NO_USED', 'ORDERREVERSED', 'SYSTEMERROR']) {
    peer.answer = () => failed(code);
    expect(await payByCode(payment(), call())).toMatchObject({ outcome: { kind: 'unknown' }, queryNow: true });
  }
});

const UNPROVEN: readonly (readonly [string, PeerAnswer])[] = [
  ['a decline with a wrong signature', v2Answer({ result_code: 'FAIL', err_code: 'NOTENOUGH' }, 'A'.repeat(64))],
  ['a decline without a signature', v2Answer({ result_code: 'FAIL', err_code: 'NOTENOUGH' }, '')],
  ['a code that nobody listed', v2Answer({ result_code: 'FAIL', err_code: 'NOVEL_CODE' })],
  ['a decline to another merchant', v2Answer({ result_code: 'FAIL', err_code: 'NOTENOUGH', mch_id: '1900000110' })],
  [
    'return_code FAIL',
    {
      status: 200,
      headers: { 'content-type': 'text/xml' },
      body: '<xml><return_code>FAIL</return_code><return_msg>签名错误</return_msg></xml>',
    },
  ],
  [
    'HTTP 500 around a decline',
    {
      status: 500,
      headers: { 'content-type': 'text/xml' },
      body: v2Xml({ return_code: 'SUCCESS', result_code: 'FAIL', err_code: 'NOTENOUGH' }),
    },
  ],
  [
    'an HTML page with 200',
    { status: 200, headers: { 'content-type': 'text/html' }, body: '<html><body>OK</body></html>' },
  ],
  ['an empty answer', { status: 200, body: '' }],
  ['bytes that are no text', { status: 200, body: Buffer.from([0xff, 0xfe, 0x00]) }],
  ['a cut connection', undefined],
];
for (const [what, answer] of UNPROVEN) {
  test(`${what} is unknown and never sent twice`, async () => {
    peer.answer = () => answer;
    const report = await payByCode(payment(), call());
    expect(report.outcome.kind).toBe('unknown');
    expect(report.facts.transport).toBe(answer === undefined ? 'maybe_sent' : 'answered');
    expect(peer.seen).toHaveLength(1);
  });
}

test('a channel that refuses connections is a definite failure of the payment, and says nothing of a query', async () => {
  await peer.close();
  expect(await payByCode(payment(), call())).toMatchObject({
    outcome: { kind: 'failed_definite', evidence: { transport: 'not_sent' }, reason: 'channel_unreachable' },
    facts: { transport: 'not_sent', sends: 0 },
  });
  expect(await askByCode(order(), call())).toMatchObject({
    outcome: { kind: 'unknown' },
    facts: { transport: 'not_sent' },
  });
  peer = await startPeer();
});

const STATES: readonly (readonly [string, object])[] = [
  ['NOTPAY', { kind: 'pending_payer' }],
  ['ACCEPT', { kind: 'processing' }],
  ['REVOKED', { kind: 'failed_definite', closed: true, evidence: { ruleId: 'wechat-v2.query.trade_state.REVOKED' } }],
  ['CLOSED', { kind: 'failed_definite', closed: true }],
  ['PAYERROR', { kind: 'failed_definite', closed: false }],
  ['NOVEL', { kind: 'unknown' }],
  ['', { kind: 'unknown' }],
];
for (const [state, outcome] of STATES) {
  test(`a query that answers trade_state "${state}" is told as it is`, async () => {
    const fields = { result_code: 'SUCCESS', trade_state: state, out_trade_no: order().channelOrderNo };
    peer.answer = () => v2Answer(fields);
    expect((await askByCode(order(), call())).outcome).toMatchObject(outcome);
    for (const wrong of [
      v2Answer(fields, 'B'.repeat(64)),
      v2Answer(fields, ''),
      v2Answer({ ...fields, out_trade_no: 'other12345' }),
    ]) {
      peer.answer = () => wrong;
      expect((await askByCode(order(), call())).outcome.kind).toBe('unknown');
    }
  });
}

test('an order that the channel does not know is told as such only by a verified answer', async () => {
  peer.answer = () => failed('ORDERNOTEXIST');
  expect(await askByCode(order(), call())).toMatchObject({ outcome: { kind: 'unknown' }, orderNotFound: true });
  peer.answer = () => v2Answer({ result_code: 'FAIL', err_code: 'ORDERNOTEXIST' }, '');
  expect((await askByCode(order(), call())).orderNotFound).toBe(false);
});

/** Answers the look with one thing and the reverse with another. */
const lookThenReverse = (look: PeerAnswer, reverse: PeerAnswer) => {
  peer.answer = ({ url }) => (url === '/pay/orderquery' ? look : reverse);
};
const stateAnswer = (state: string) =>
  v2Answer({ result_code: 'SUCCESS', trade_state: state, out_trade_no: order().channelOrderNo });
const reversed = (recall: string) => v2Answer({ result_code: 'SUCCESS', recall });

test('a paid order is not reversed: it is told as paid, with its success', async () => {
  lookThenReverse(v2Answer({ ...PAID, trade_state: 'SUCCESS' }), reversed('N'));
  expect(await reverseByCode(order(), call())).toMatchObject({
    end: 'already_paid',
    repeat: false,
    seen: { outcome: { kind: 'succeeded' } },
  });
  expect(peer.seen.map(({ url }) => url)).toEqual(['/pay/orderquery']);
});

test('an unpaid order is reversed and then closed', async () => {
  lookThenReverse(stateAnswer('USERPAYING'), reversed('N'));
  expect(await reverseByCode(order(), call())).toMatchObject({
    end: 'closed',
    repeat: false,
    seen: { outcome: { kind: 'failed_definite', closed: true }, facts: { signature: 'verified' } },
  });
});

test('an order that was revoked already is closed without another call', async () => {
  lookThenReverse(stateAnswer('REVOKED'), undefined);
  expect(await reverseByCode(order(), call())).toMatchObject({ end: 'closed', seen: { outcome: { closed: true } } });
  expect(peer.seen).toHaveLength(1);
});

const NOT_REVERSED: readonly (readonly [string, PeerAnswer, string])[] = [
  ['recall Y', reversed('Y'), 'undecided'],
  ['no recall', v2Answer({ result_code: 'SUCCESS' }), 'undecided'],
  ['a wrong signature', v2Answer({ result_code: 'SUCCESS', recall: 'N' }, 'C'.repeat(64)), 'undecided'],
  ['no signature', v2Answer({ result_code: 'SUCCESS', recall: 'N' }, ''), 'undecided'],
  ['an answer to another merchant', v2Answer({ result_code: 'SUCCESS', recall: 'N', mch_id: '1' }), 'undecided'],
  ['SYSTEMERROR', v2Answer({ result_code: 'FAIL', err_code: 'SYSTEMERROR', recall: 'Y' }), 'undecided'],
  ['the payer typing', v2Answer({ result_code: 'FAIL', err_code: 'USERPAYING', recall: 'Y' }), 'payer_paying'],
  ['a cut connection', undefined, 'undecided'],
];
for (const [what, answer, end] of NOT_REVERSED) {
  test(`a reverse with ${what} is ${end} and is to be repeated`, async () => {
    lookThenReverse(stateAnswer('NOTPAY'), answer);
    const report = await reverseByCode(order(), call());
    expect(report).toMatchObject({ end, repeat: true });
    expect(report.seen.outcome.kind).not.toBe('failed_definite');
  });
}

test('a reverse goes over the sockets that show the API certificate, a query does not', async () => {
  const apiCertificate = { certificateFile: new Secret('certificate'), keyFile: new Secret('key') };
  lookThenReverse(stateAnswer('NOTPAY'), reversed('N'));
  // This client has no sockets for the certificate: nothing of the reverse can be sent.
  expect(await reverseByCode(order(), call({ apiCertificate }))).toMatchObject({
    end: 'undecided',
    seen: { facts: { transport: 'not_sent' } },
  });
  expect(wechat.furtherHosts?.(account(peer.baseUrl, { apiCertificate }))).toEqual([
    { baseUrl: peer.baseUrl, clientCertificate: { holder: 'wechat-a', certificate: 'certificate', privateKey: 'key' } },
  ]);
});

test('without a look nothing is reversed', async () => {
  for (const look of [
    undefined,
    failed('SYSTEMERROR'),
    v2Answer({ ...PAID, trade_state: 'SUCCESS', total_fee: '1' }),
  ]) {
    lookThenReverse(look, reversed('N'));
    expect(await reverseByCode(order(), call())).toMatchObject({ end: 'undecided', repeat: true });
  }
  expect(peer.seen.filter(({ url }) => url !== '/pay/orderquery')).toEqual([]);
});

test('an order that the channel does not know is reversed: its request may still be on the way', async () => {
  lookThenReverse(failed('ORDERNOTEXIST'), reversed('N'));
  expect((await reverseByCode(order(), call())).end).toBe('closed');
});

test('the same payment twice is the same order and amount at the channel', async () => {
  peer.answer = () => failed('SYSTEMERROR');
  await payByCode(payment(), call());
  await payByCode(payment(), call());
  const [first, second] = peer.seen.map(({ body }) => v2FieldsOf(body));
  const without = ({ nonce_str: _nonce, sign: _sign, ...rest }: Record<string, string>) => rest;
  expect(without(first ?? {})).toEqual(without(second ?? {}));
});

test('no secret stands in a report', async () => {
  peer.answer = () => failed('AUTH_CODE_INVALID', 'bad');
  const text = JSON.stringify(await payByCode(payment(), call()));
  for (const secret of ['130000000000000009', API_V2_KEY, '10.1.2.3']) expect(text).not.toContain(secret);
});
