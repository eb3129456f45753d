import { money } from '@tillmesh/domain';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askRefund, refundOrder } from '../src/refund.ts';
import {
  account,
  callOf,
  httpFor,
  order,
  type PeerAnswer,
  refund,
  signedHeaders,
  startPeer,
  v3Answer,
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

const call = () => callOf(account(peer.baseUrl), http);
const REFUND = {
  refund_id: '50000000382019052709732678859',
  out_refund_no: refund().refundNo,
  transaction_id: '4200000000202611220000000001',
  out_trade_no: order().channelOrderNo,
  channel: 'ORIGINAL',
  user_received_account: '招商银行信用卡0403',
  create_time: '2026-11-22T12:00:00+08:00',
  status: 'SUCCESS',
  amount: { total: 888, refund: 100, payer_total: 888, payer_refund: 100, currency: 'CNY' },
};

test('a refund is asked for by order number, with the order amount beside its own', async () => {
  peer.answer = () => v3Answer(200, { ...REFUND, status: 'PROCESSING' });
  expect(await refundOrder(refund({ notifyUrl: 'https://pay.example.com/n' }), call())).toMatchObject({
    state: 'processing',
    channelRefundId: REFUND.refund_id,
    refunded: { minorUnits: 100n, currency: 'CNY' },
    facts: { signature: 'verified' },
  });
  expect(peer.seen[0]).toMatchObject({ method: 'POST', url: '/v3/refund/domestic/refunds' });
  expect(JSON.parse(peer.seen[0]?.body ?? '')).toEqual({
    out_trade_no: order().channelOrderNo,
    out_refund_no: refund().refundNo,
    reason: 'too cold',
    notify_url: 'https://pay.example.com/n',
    amount: { refund: 100, total: 888, currency: 'CNY' },
  });
});

test('a repeat asks for the same refund: nothing in it is new', async () => {
  peer.answer = () => undefined;
  await refundOrder(refund(), call());
  await refundOrder(refund(), call());
  expect(peer.seen[0]?.body).toBe(peer.seen[1]?.body);
});

const STATES: readonly (readonly [string, string, string])[] = [
  ['SUCCESS', 'succeeded', ''],
  ['PROCESSING', 'processing', ''],
  ['CLOSED', 'failed', 'wechat-v3.refund.status.CLOSED'],
  ['CLOSE', 'failed', 'wechat-v3.refund.status.CLOSE'],
  ['ABNORMAL', 'abnormal', ''],
  ['NOVEL', 'unknown', ''],
];
for (const [status, state, ruleId] of STATES) {
  test(`a refund that is ${status} is ${state}, and unknown without a right signature`, async () => {
    peer.answer = () => v3Answer(200, { ...REFUND, status });
    expect(await askRefund(refund(), call())).toMatchObject({ state, ruleId, channelCode: status });
    expect(peer.seen[0]).toMatchObject({ method: 'GET', url: `/v3/refund/domestic/refunds/${refund().refundNo}` });
    const body = JSON.stringify({ ...REFUND, status });
    for (const headers of [{ 'content-type': 'application/json' }, signedHeaders(`${body}!`)]) {
      peer.answer = () => ({ status: 200, headers, body });
      expect((await askRefund(refund(), call())).state).toBe('unknown');
    }
  });
}

const OTHERS: readonly (readonly [string, PeerAnswer])[] = [
  ['another amount', v3Answer(200, { ...REFUND, amount: { refund: 101, currency: 'CNY' } })],
  ['no amount', v3Answer(200, { ...REFUND, amount: undefined })],
  ['another refund', v3Answer(200, { ...REFUND, out_refund_no: 'other12345' })],
  ['another order', v3Answer(200, { ...REFUND, out_trade_no: 'other12345' })],
  ['HTTP 500', v3Answer(500, { code: 'SYSTEM_ERROR' })],
  ['NOT_ENOUGH, which asks for the same number again', v3Answer(403, { code: 'NOT_ENOUGH' })],
  ['INVALID_REQUEST', v3Answer(400, { code: 'INVALID_REQUEST' })],
  ['nothing readable', { status: 200, body: '<html>' }],
  ['no answer', undefined],
];
for (const [what, answer] of OTHERS) {
  test(`a refund answered with ${what} is unknown`, async () => {
    peer.answer = () => answer;
    expect((await refundOrder(refund(), call())).state).toBe('unknown');
  });
}

test('a refund that was refused before it was looked at is failed, with its row', async () => {
  peer.answer = () => v3Answer(400, { code: 'PARAM_ERROR', message: 'bad amount' });
  expect(await refundOrder(refund(), call())).toMatchObject({
    state: 'failed',
    ruleId: 'wechat-v3.refund.PARAM_ERROR',
    channelMessage: 'bad amount',
  });
  // The same code says nothing when it answers a question.
  expect((await askRefund(refund(), call())).state).toBe('unknown');
});

test('a refund that was not sent is unknown and not sent, never failed', async () => {
  await peer.close();
  expect(await refundOrder(refund({ amount: money('CNY', 1) }), call())).toMatchObject({
    state: 'unknown',
    facts: { transport: 'not_sent' },
  });
  peer = await startPeer();
});

test('a refund that the channel does not know is told as such', async () => {
  peer.answer = () => v3Answer(404, { code: 'RESOURCE_NOT_EXISTS' });
  expect(await askRefund(refund(), call())).toMatchObject({ state: 'unknown', refundNotFound: true });
});
