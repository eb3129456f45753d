import { afterEach, beforeEach, expect, test } from 'vitest';
import { cancelOrder, closeOrder } from '../src/trade-end.ts';
import {
  type AlipayPeer,
  account,
  answering,
  callOf,
  failed,
  httpFor,
  NOW_MS,
  ok,
  order,
  type PeerAnswer,
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

const call = (nowMs = NOW_MS) => callOf(account(peer.baseUrl), http, nowMs);
const cancelled = (change: object = {}) =>
  ok({ trade_no: '42', out_trade_no: order().channelOrderNo, retry_flag: 'N', action: 'close', ...change });

test('an unpaid trade that is cancelled is closed; a paid one is given back, and never called closed', async () => {
  peer.answer = answering(cancelled());
  expect(await cancelOrder(order(), call())).toMatchObject({
    end: 'closed',
    repeat: false,
    seen: { outcome: { kind: 'failed_definite', closed: true, evidence: { ruleId: 'alipay.cancel.close' } } },
  });
  peer.answer = answering(cancelled({ action: 'refund' }));
  expect(await cancelOrder(order(), call())).toMatchObject({
    end: 'refunded',
    seen: { outcome: { kind: 'failed_definite', closed: true, evidence: { ruleId: 'alipay.cancel.refund' } } },
  });
  expect(peer.seen[0]?.params['method']).toBe('alipay.trade.cancel');
});

const UNDECIDED: readonly (readonly [string, (request: Seen) => PeerAnswer])[] = [
  ['retry_flag Y', answering(cancelled({ retry_flag: 'Y' }))],
  ['no retry_flag', answering(cancelled({ retry_flag: undefined }))],
  ['an action that nobody listed', answering(cancelled({ action: 'freeze' }))],
  ['another order', answering(cancelled({ out_trade_no: 'other12345' }))],
  ['a wrong signature', answering(cancelled(), 'AAAA')],
  ['no signature', answering(cancelled(), '')],
  ['ACQ.SYSTEM_ERROR', answering(failed('ACQ.SYSTEM_ERROR'))],
  ['ACQ.SELLER_BALANCE_NOT_ENOUGH', answering(failed('ACQ.SELLER_BALANCE_NOT_ENOUGH'))],
  ['20000', answering({ code: '20000', retry_flag: 'N', action: 'close', out_trade_no: order().channelOrderNo })],
  ['HTTP 500', () => ({ status: 500, body: '' })],
  ['a cut connection', () => undefined],
];
for (const [what, answer] of UNDECIDED) {
  test(`a cancel with ${what} is undecided and is to be repeated`, async () => {
    peer.answer = answer;
    const report = await cancelOrder(order(), call());
    expect(report).toMatchObject({ end: 'undecided', repeat: true });
    expect(report.seen.outcome.kind).toBe('unknown');
  });
}

test('a cancel of an order that the channel does not know ends it only when nothing of it can be on the way', async () => {
  peer.answer = answering(cancelled({ action: undefined, trade_no: undefined }));
  expect(await cancelOrder(order(), call(NOW_MS + 179_999))).toMatchObject({
    end: 'undecided',
    repeat: true,
    seen: { orderNotFound: true },
  });
  expect((await cancelOrder(order(), call(NOW_MS + 180_000))).end).toBe('closed');
  const qr = order({ kind: 'merchant_qr' });
  expect((await cancelOrder(qr, call(NOW_MS + 7_200_000))).end).toBe('undecided');
  expect((await cancelOrder(qr, call(NOW_MS + 7_500_000))).end).toBe('closed');
});

test('a close that succeeds has closed the trade; a trade that is not there is not closed', async () => {
  peer.answer = answering(ok({ out_trade_no: order().channelOrderNo, trade_no: '42' }));
  expect(await closeOrder(order(), call())).toMatchObject({ end: 'closed', seen: { outcome: { closed: true } } });
  peer.answer = answering(failed('ACQ.TRADE_NOT_EXIST'));
  expect(await closeOrder(order(), call())).toMatchObject({
    end: 'undecided',
    repeat: true,
    seen: { orderNotFound: true },
  });
  for (const answer of [
    answering(ok({ out_trade_no: order().channelOrderNo }), 'AAAA'),
    answering(ok({ out_trade_no: 'other12345' })),
    answering(failed('ACQ.TRADE_STATUS_ERROR')),
  ]) {
    peer.answer = answer;
    expect((await closeOrder(order(), call())).end).toBe('undecided');
  }
});

test('nothing is ended where the channel refuses connections', async () => {
  await peer.close();
  for (const end of [cancelOrder, closeOrder]) {
    expect(await end(order(), call())).toMatchObject({
      end: 'undecided',
      seen: { outcome: { kind: 'unknown' }, facts: { transport: 'not_sent' } },
    });
  }
  peer = await startPeer();
});
