import { afterEach, beforeEach, expect, test } from 'vitest';
import { askRefund, refundOrder } from '../src/refund.ts';
import {
  type AlipayPeer,
  account,
  answering,
  callOf,
  failed,
  httpFor,
  ok,
  order,
  type PeerAnswer,
  refund,
  type Seen,
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
const done = (change: object = {}) =>
  ok({ trade_no: '42', out_trade_no: order().channelOrderNo, fund_change: 'Y', refund_fee: '1.00', ...change });
const found = (change: object = {}) =>
  ok({
    trade_no: '42',
    out_trade_no: order().channelOrderNo,
    out_request_no: refund().refundNo,
    total_amount: '88.80',
    refund_amount: '1.00',
    refund_status: 'REFUND_SUCCESS',
    ...change,
  });

test('a refund by which money moved has succeeded, also where others went before it', async () => {
  for (const refundFee of ['1.00', '50.00', '88.80']) {
    peer.answer = answering(done({ refund_fee: refundFee }));
    expect(await refundOrder(refund(), call())).toMatchObject({ state: 'succeeded', refunded: { minorUnits: 100n } });
  }
  expect(JSON.parse(peer.seen[0]?.params['biz_content'] ?? '')).toEqual({
    out_trade_no: order().channelOrderNo,
    out_request_no: refund().refundNo,
    refund_amount: '1.00',
    refund_reason: 'too cold',
  });
});

test('a repeat asks for the same refund', async () => {
  peer.answer = () => undefined;
  await refundOrder(refund(), call());
  await refundOrder(refund(), call());
  expect(peer.seen[0]?.params['biz_content']).toBe(peer.seen[1]?.params['biz_content']);
});

const UNKNOWN: readonly (readonly [string, (request: Seen) => PeerAnswer])[] = [
  ['fund_change N', answering(done({ fund_change: 'N' }))],
  ['no fund_change', answering(done({ fund_change: undefined }))],
  ['less than was asked for', answering(done({ refund_fee: '0.99' }))],
  ['more than was paid', answering(done({ refund_fee: '88.81' }))],
  ['another order', answering(done({ out_trade_no: 'other12345' }))],
  ['a wrong signature', answering(done(), 'AAAA')],
  ['no signature', answering(done(), '')],
  [
    "the merchant's empty account, which asks for the same number again",
    answering(failed('ACQ.SELLER_BALANCE_NOT_ENOUGH')),
  ],
  ['ACQ.SYSTEM_ERROR', answering(failed('ACQ.SYSTEM_ERROR'))],
  ['ACQ.TRADE_NOT_EXIST', answering(failed('ACQ.TRADE_NOT_EXIST'))],
  ['garbage', () => ({ status: 200, body: '<html>' })],
  ['no answer', () => undefined],
];
for (const [what, answer] of UNKNOWN) {
  test(`a refund answered with ${what} is unknown`, async () => {
    peer.answer = answer;
    expect((await refundOrder(refund(), call())).state).toBe('unknown');
  });
}

test('a refund that was refused before it was looked at is failed, with its row', async () => {
  peer.answer = answering(failed('ACQ.INVALID_PARAMETER'));
  expect(await refundOrder(refund(), call())).toMatchObject({
    state: 'failed',
    ruleId: 'alipay.refund.ACQ.INVALID_PARAMETER',
  });
  expect((await askRefund(refund(), call())).state).toBe('unknown');
});

test('a refund that was not sent is unknown and not sent, never failed', async () => {
  await peer.close();
  expect(await refundOrder(refund(), call())).toMatchObject({ state: 'unknown', facts: { transport: 'not_sent' } });
  peer = await startPeer();
});

test('a refund that is found has succeeded, and unknown without a right signature', async () => {
  peer.answer = answering(found());
  expect(await askRefund(refund(), call())).toMatchObject({
    state: 'succeeded',
    refunded: { minorUnits: 100n },
    refundNotFound: false,
  });
  for (const answer of [
    answering(found(), 'AAAA'),
    answering(found(), ''),
    answering(found({ refund_amount: '1.01' })),
    answering(found({ out_request_no: 'other12345' })),
    answering(found({ out_trade_no: 'other12345' })),
    answering(found({ refund_status: 'NOVEL' })),
    answering(found({ refund_status: undefined })),
  ]) {
    peer.answer = answer;
    expect(await askRefund(refund(), call())).toMatchObject({ state: 'unknown', refundNotFound: false });
  }
});

test('a verified answer that names no refund says that there is none: it may be sent again', async () => {
  peer.answer = answering(ok({}));
  expect(await askRefund(refund(), call())).toMatchObject({ state: 'unknown', refundNotFound: true });
  peer.answer = answering(ok({}), '');
  expect((await askRefund(refund(), call())).refundNotFound).toBe(false);
});
