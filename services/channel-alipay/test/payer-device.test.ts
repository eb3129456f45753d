import { createVerify } from 'node:crypto';
import { Secret } from '@tillmesh/config';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTrade, signForPayer } from '../src/payment.ts';
import {
  type AlipayPeer,
  account,
  answering,
  applicationKeys,
  callOf,
  failed,
  httpFor,
  NOW_MS,
  ok,
  order,
  payment,
  startPeer,
} from './alipay-peer.ts';

// Ways on which the payer's own device goes to Alipay.

let peer: AlipayPeer;
let http: ReturnType<typeof httpFor>;
beforeAll(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
beforeEach(() => {
  peer.seen.length = 0;
});
afterAll(async () => {
  await http.close();
  await peer.close();
});

const call = (more: object = {}) => callOf(account(peer.baseUrl, more), http);
const TRADE_NO = '2026112222001004680073956707';
const inAlipay = (payerId: string) => payment({ order: order({ kind: 'jsapi' }), payerId: new Secret(payerId) });

test('a trade of a known payer gives its number to the page; a user_id and an open_id go under their own names', async () => {
  const answer = ok({ out_trade_no: order().channelOrderNo, trade_no: TRADE_NO });
  peer.answer = answering(answer);
  const report = await createTrade(inAlipay('2088102150477652'), call());
  expect(report).toMatchObject({
    outcome: { kind: 'pending_payer' },
    action: { kind: 'jsapi', parameters: { tradeNO: TRADE_NO } },
    channelTransactionId: TRADE_NO,
  });
  await createTrade(inAlipay('074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5'), call());
  const contents = peer.seen.map(({ params }) => JSON.parse(params['biz_content'] ?? '') as Record<string, unknown>);
  expect(contents[0]).toMatchObject({ buyer_id: '2088102150477652', product_code: 'JSAPI_PAY' });
  expect(contents[0]).not.toHaveProperty('buyer_open_id');
  expect(contents[1]).toMatchObject({ buyer_open_id: '074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5' });
  expect(contents[1]).not.toHaveProperty('buyer_id');
});

test.each([
  ['of another order', ok({ out_trade_no: '9999999999999999', trade_no: TRADE_NO }), undefined],
  ['without a number', ok({ out_trade_no: order().channelOrderNo }), undefined],
  ['that is signed wrongly', ok({ out_trade_no: order().channelOrderNo, trade_no: TRADE_NO }), 'AAAA'],
  ['that is not signed', ok({ out_trade_no: order().channelOrderNo, trade_no: TRADE_NO }), ''],
] as const)('an answer %s leads nobody to pay', async (_what, content, sign) => {
  peer.answer = answering(content, sign);
  const report = await createTrade(inAlipay('2088102150477652'), call());
  expect(report.outcome.kind).toBe('unknown');
  expect(report.action).toBeUndefined();
});

test('a refusal that is listed is definite, another one is not', async () => {
  peer.answer = answering(failed('ACQ.INVALID_PARAMETER'));
  expect((await createTrade(inAlipay('2088102150477652'), call())).outcome.kind).toBe('failed_definite');
  peer.answer = answering(failed('ACQ.OF_TOMORROW'));
  expect((await createTrade(inAlipay('2088102150477652'), call())).outcome.kind).toBe('unknown');
});

/** The parameters of a text that a payer's device sends, and whether our signature over them is right. */
const readSigned = (text: string) => {
  const params = Object.fromEntries(new URLSearchParams(text));
  const { sign = '', ...signed } = params;
  const whole = Object.keys(signed)
    .toSorted()
    .map((name) => `${name}=${signed[name]}`)
    .join('&');
  const isRight = createVerify('RSA-SHA256').update(whole, 'utf8').verify(applicationKeys.publicKey, sign, 'base64');
  return { params, content: JSON.parse(params['biz_content'] ?? '{}') as Record<string, unknown>, isRight };
};

test.each([
  ['h5', 'alipay.trade.wap.pay', 'QUICK_WAP_WAY'],
  ['pc_redirect', 'alipay.trade.page.pay', 'FAST_INSTANT_TRADE_PAY'],
] as const)('%s: an address with everything in it, signed, and nothing is sent', async (kind, method, productCode) => {
  const request = payment({ order: order({ kind }), expireAtMs: NOW_MS + 600_000 });
  const own = call({ returnUrl: 'https://shop.example.com/back' });
  const report = await signForPayer(request, own);
  expect(report).toMatchObject({ outcome: { kind: 'pending_payer' }, facts: { transport: 'not_sent', sends: 0 } });
  const url = report.action?.kind === 'redirect' ? report.action.url : '';
  expect(url.split('?')[0]).toBe(peer.baseUrl);
  const { params, content, isRight } = readSigned(url.slice(url.indexOf('?') + 1));
  expect(isRight).toBe(true);
  expect(params).toMatchObject({ method, return_url: 'https://shop.example.com/back', app_id: own.account.appId });
  // 600 s after noon in Beijing.
  expect(content).toMatchObject({
    product_code: productCode,
    time_expire: '2026-11-22 12:10:00',
    total_amount: '88.80',
  });
  expect(peer.seen).toEqual([]);
  // A repeat shows the same.
  expect((await signForPayer(request, own)).action).toEqual(report.action);
});

test('an app gets one text for the SDK; no address counts for longer than two hours', async () => {
  const request = payment({ order: order({ kind: 'app' }), expireAtMs: NOW_MS + 86_400_000 });
  const { action } = await signForPayer(request, call());
  const text = action?.kind === 'app' ? (action.parameters['orderStr'] ?? '') : '';
  const { params, content, isRight } = readSigned(text);
  expect(isRight).toBe(true);
  expect(params['method']).toBe('alipay.trade.app.pay');
  expect(content).toMatchObject({ product_code: 'QUICK_MSECURITY_PAY', time_expire: '2026-11-22 14:00:00' });
});
