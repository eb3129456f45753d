import { afterEach, beforeEach, expect, test } from 'vitest';
import { askByCode, payByCode, reverseByCode } from '../src/code-payment.ts';
import type { WechatAccount } from '../src/config.ts';
import type { WechatCall } from '../src/wechat-call.ts';
import { account, callOf, httpFor, order, payment, startPeer, v3Answer, type WechatPeer } from './wechat-peer.ts';

const IDS = { appid: 'wx8888888888888888', mchid: '1900000109' };
const PAID = {
  ...IDS,
  out_trade_no: order().channelOrderNo,
  transaction_id: '4200000000202611220000000002',
  trade_type: 'MICROPAY',
  trade_state: 'SUCCESS',
  trade_state_desc: '支付成功',
  success_time: '2026-11-22T11:59:59+08:00',
  amount: { total: 888, currency: 'CNY' },
};
const ORDER = `/v3/pay/transactions/out-trade-no/${order().channelOrderNo}`;

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
const call = (more: Partial<WechatAccount> = {}) =>
  callOf(account(peer.baseUrl, { codePayments: 'v3', apiV2KeyFile: undefined, ...more }), http);
const error = (status: number, code: string) => v3Answer(status, { code, message: 'words' });

test('a code is taken at once, with the shop it was shown in', async () => {
  peer.answer = () => v3Answer(200, PAID);
  expect(await payByCode(payment(), call())).toMatchObject({
    outcome: { kind: 'succeeded', paid: { minorUnits: 888n }, paidAtMs: Date.UTC(2026, 10, 22, 3, 59, 59) },
    channelState: 'SUCCESS',
    channelTransactionId: PAID.transaction_id,
    facts: { signature: 'verified', sends: 1 },
  });
  expect(peer.seen[0]).toMatchObject({ method: 'POST', url: '/v3/pay/transactions/codepay' });
  expect(JSON.parse(peer.seen[0]?.body ?? '')).toEqual({
    ...IDS,
    description: 'Tea & <cake> 茶',
    out_trade_no: order().channelOrderNo,
    payer: { auth_code: '130000000000000009' },
    amount: { total: 888, currency: 'CNY' },
    scene_info: { device_id: 'till-7', device_ip: '10.1.2.3', store_info: { out_id: 'store-1' } },
  });
});

test('a service provider takes it under /partner/', async () => {
  const { appid, mchid, ...rest } = PAID;
  const subMerchant = { mchId: '1600000001' };
  peer.answer = () => v3Answer(200, { ...rest, sp_appid: appid, sp_mchid: mchid, sub_mchid: '1600000001' });
  expect((await payByCode(payment(), call({ subMerchant }))).outcome.kind).toBe('succeeded');
  expect(peer.seen[0]?.url).toBe('/v3/pay/partner/transactions/codepay');
});

const NO_SUCCESS: readonly (readonly [string, object])[] = [
  ['another order', { out_trade_no: '12611221234567800100100172' }],
  ['another amount', { amount: { total: 887, currency: 'CNY' } }],
  ['another currency', { amount: { total: 888, currency: 'HKD' } }],
  ['another merchant', { mchid: '1900000110' }],
  ['another application', { appid: 'wx1' }],
  ['a sub-merchant', { sub_mchid: '1600000001' }],
  ['no transaction number', { transaction_id: undefined }],
];
for (const [what, change] of NO_SUCCESS) {
  test(`a success with ${what} is unknown`, async () => {
    peer.answer = () => v3Answer(200, { ...PAID, ...change });
    expect((await payByCode(payment(), call())).outcome.kind).toBe('unknown');
  });
}

test('a state that is no success is never an end of the payment: it is asked for', async () => {
  for (const trade_state of ['PAYERROR', 'REVOKED', 'CLOSED', 'NOTPAY', 'NOVEL', undefined]) {
    peer.answer = () => v3Answer(200, { ...PAID, trade_state });
    expect(await payByCode(payment(), call())).toMatchObject({ outcome: { kind: 'unknown' }, queryNow: true });
  }
});

const CODES: readonly (readonly [number, string, string])[] = [
  [202, 'USERPAYING', 'pending_payer'],
  [403, 'NOTENOUGH', 'failed_definite'],
  [403, 'NO_AUTH', 'failed_definite'],
  [400, 'ORDERPAID', 'unknown'],
  [403, 'OUT_TRADE_NO_USED', 'unknown'],
  [400, 'AUTHCODEEXPIRE', 'unknown'],
  [400, 'NOVEL_CODE', 'unknown'],
  [500, 'SYSTEM_ERROR', 'unknown'],
  [500, 'NOTENOUGH', 'unknown'],
];
for (const [status, code, kind] of CODES) {
  test(`${status} ${code} is ${kind}`, async () => {
    peer.answer = () => error(status, code);
    expect((await payByCode(payment(), call())).outcome.kind).toBe(kind);
  });
}

test('a lost answer is unknown, and the code may not be sent to a second domain; a query may', async () => {
  const asked: (boolean | undefined)[] = [];
  const watched = (): WechatCall => {
    const plain = call();
    return {
      ...plain,
      http: {
        ...http,
        send: (request) => {
          asked.push(request.repeatable);
          return http.send(request);
        },
      },
    };
  };
  expect(await payByCode(payment(), watched())).toMatchObject({
    outcome: { kind: 'unknown' },
    facts: { transport: 'maybe_sent', sends: 1 },
  });
  await askByCode(order(), watched());
  expect(asked).toEqual([false, true]);
});

test('a query over v3 tells how it ended; PAYERROR is the end of a code', async () => {
  peer.answer = () => v3Answer(200, { ...PAID, trade_state: 'PAYERROR' });
  expect((await askByCode(order(), call())).outcome).toMatchObject({ kind: 'failed_definite' });
  expect(peer.seen[0]?.url).toBe(`${ORDER}?mchid=1900000109`);
});

/** The look answers with a state, the reverse with what the test says. */
const reversing = (look: string, reversed: ReturnType<typeof v3Answer>) => {
  peer.answer = ({ url }) => (url.endsWith('/reverse') ? reversed : v3Answer(200, { ...PAID, trade_state: look }));
  return reverseByCode(order(), call());
};

test('what is paid stays paid: nothing is reversed', async () => {
  expect(await reversing('SUCCESS', undefined)).toMatchObject({ end: 'already_paid', repeat: false });
  expect(peer.seen).toHaveLength(1);
});

test('what is unpaid is reversed, and closed where the answer names our order', async () => {
  const done = { ...IDS, out_trade_no: order().channelOrderNo };
  expect(await reversing('NOTPAY', v3Answer(200, done))).toMatchObject({
    end: 'closed',
    repeat: false,
    seen: { outcome: { kind: 'failed_definite', closed: true } },
  });
  expect(peer.seen[1]).toMatchObject({ method: 'POST', url: `${ORDER}/reverse`, body: JSON.stringify(IDS) });
  // The application need not stand in it.
  expect(await reversing('NOTPAY', v3Answer(200, { ...done, appid: undefined }))).toMatchObject({ end: 'closed' });
  for (const stranger of [{ out_trade_no: 'another' }, { mchid: '1' }, { appid: 'wx1' }, { sub_mchid: '16' }]) {
    expect(await reversing('NOTPAY', v3Answer(200, { ...done, ...stranger }))).toMatchObject({
      end: 'undecided',
      repeat: true,
      seen: { outcome: { kind: 'unknown' } },
    });
  }
});

test('a refused or unsigned reverse ends nothing and is to be repeated', async () => {
  expect(await reversing('USERPAYING', error(202, 'USERPAYING'))).toMatchObject({ end: 'payer_paying', repeat: true });
  for (const answer of [
    error(500, 'SYSTEM_ERROR'),
    error(404, 'ORDER_NOT_EXIST'),
    error(400, 'NOVEL'),
    undefined,
    { status: 200, headers: {}, body: JSON.stringify({ ...IDS, out_trade_no: order().channelOrderNo }) },
  ]) {
    expect(await reversing('NOTPAY', answer)).toMatchObject({ end: 'undecided', repeat: true });
  }
});
