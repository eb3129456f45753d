import { money } from '@tillmesh/domain';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askRefund, refundOrder } from '../src/refund.ts';
import {
  account,
  byPath,
  callOf,
  error,
  httpFor,
  INTENT_ID,
  LOOK,
  list,
  order,
  paidIntent,
  REFUND,
  REFUNDS,
  refund,
  refundObject,
  SEARCH,
  type StripePeer,
  startPeer,
} from './stripe-peer.ts';

let peer: StripePeer;
let http: ReturnType<typeof httpFor>;
beforeEach(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterEach(async () => {
  await http.close();
  await peer.close();
});
const call = (more: Parameters<typeof account>[1] = {}) => callOf(account(peer.baseUrl, more), http);

describe('giving back', () => {
  test('looks for the refund first, then creates it under a key that follows from its number', async () => {
    peer.answer = byPath({ [REFUNDS]: [200, list()], [REFUND]: [200, refundObject()] });
    expect(await refundOrder(refund(), call())).toMatchObject({
      state: 'succeeded',
      refunded: money('CNY', 100),
      channelRefundId: refundObject().id,
    });
    const [looked, created] = peer.seen;
    expect(looked?.params).toMatchObject({ payment_intent: INTENT_ID });
    expect(created?.params).toEqual({
      payment_intent: INTENT_ID,
      amount: '100',
      'metadata[refund_no]': refund().refundNo,
      'metadata[order_no]': order().channelOrderNo,
      'metadata[reason]': 'too cold',
    });
    expect(created?.headers['idempotency-key']).toBe(`${refund().refundNo}-refund`);
  });

  test('what was given back before is not given back again, however long ago it was', async () => {
    peer.answer = byPath({ [REFUNDS]: [200, list(refundObject({ id: 're_x', metadata: {} }), refundObject())] });
    expect((await refundOrder(refund(), call())).state).toBe('succeeded');
    expect(peer.seen.some(({ method }) => method === 'POST')).toBe(false);
  });

  test('is not tried where nobody can say what was given back before', async () => {
    for (const answers of [
      {},
      { [REFUNDS]: [500, error('api_error', undefined)] as const },
      { [REFUNDS]: [200, { data: {}, has_more: false }] as const },
      { [REFUNDS]: [200, { ...list(), has_more: true }] as const },
    ]) {
      peer.answer = byPath(answers);
      expect((await refundOrder(refund(), call())).state).toBe('unknown');
    }
    expect(peer.seen.some(({ method }) => method === 'POST')).toBe(false);
  });

  test('finds the intent by our number where its id is not known', async () => {
    peer.answer = byPath({
      [SEARCH]: [200, list(paidIntent())],
      [LOOK]: [200, paidIntent()],
      [REFUNDS]: [200, list()],
      [REFUND]: [200, refundObject({ status: 'pending' })],
    });
    expect(await refundOrder(refund({ order: order() }), call())).toMatchObject({ state: 'processing' });
  });

  const ANSWERS: readonly (readonly [what: string, status: number, content: unknown, state: string])[] = [
    ['pending', 200, refundObject({ status: 'pending' }), 'processing'],
    ['failed', 200, refundObject({ status: 'failed' }), 'failed'],
    ['canceled', 200, refundObject({ status: 'canceled' }), 'failed'],
    ['waiting for the payer', 200, refundObject({ status: 'requires_action' }), 'abnormal'],
    ['in a state that nobody listed', 200, refundObject({ status: 'novel' }), 'unknown'],
    ['in no state', 200, refundObject({ status: null }), 'unknown'],
    ['over another amount', 200, refundObject({ amount: 101 }), 'unknown'],
    ['in another currency', 200, refundObject({ currency: 'usd' }), 'unknown'],
    ['under another number', 200, refundObject({ metadata: { refund_no: 'x' } }), 'unknown'],
    ['of another intent', 200, refundObject({ payment_intent: 'pi_other' }), 'unknown'],
    ['as another object', 200, refundObject({ object: 'charge' }), 'unknown'],
    ['refused for a dispute', 400, error('invalid_request_error', 'charge_disputed'), 'failed'],
    ['refused because all is back', 400, error('invalid_request_error', 'charge_already_refunded'), 'unknown'],
    ['refused with a code that nobody listed', 400, error('invalid_request_error', 'novel'), 'unknown'],
    ['refused without a code', 400, error('invalid_request_error', undefined), 'unknown'],
    ['too much at once', 429, error('invalid_request_error', 'rate_limit'), 'unknown'],
    ['a web page', 200, '<html>', 'unknown'],
  ];
  for (const [what, status, content, state] of ANSWERS) {
    test(`${what} is ${state}`, async () => {
      peer.answer = byPath({ [REFUNDS]: [200, list()], [REFUND]: [status, content] });
      const report = await refundOrder(refund(), call());
      expect(report.state).toBe(state);
      expect(report.ruleId === '').toBe(
        !(
          state === 'failed' ||
          report.channelCode === 'charge_already_refunded' ||
          report.channelCode === 'rate_limit'
        ),
      );
      expect((await refundOrder(refund(), call({ strictSignatures: true }))).state).toBe('unknown');
    });
  }
});

test('asking finds our refund among the others, page by page, or says that it is not there', async () => {
  const other = (id: string) => refundObject({ id, metadata: { refund_no: 'other' } });
  peer.answer = ({ params }) =>
    byPath({
      [REFUNDS]: [
        200,
        params['starting_after'] === 're_1' ? list(refundObject()) : { ...list(other('re_1')), has_more: true },
      ],
    })({ method: 'GET', path: '/v1/refunds', params, headers: {} });
  expect(await askRefund(refund(), call())).toMatchObject({ state: 'succeeded' });
  peer.answer = byPath({ [REFUNDS]: [200, list(other('re_1'))] });
  expect(await askRefund(refund(), call())).toMatchObject({ state: 'unknown', refundNotFound: true });
  expect(await askRefund(refund(), call({ strictSignatures: true }))).toMatchObject({ refundNotFound: false });
  peer.answer = byPath({});
  expect(await askRefund(refund(), call())).toMatchObject({ state: 'unknown', refundNotFound: false });
});
