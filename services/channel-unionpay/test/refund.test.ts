import type { RefundRequest } from '@tillmesh/channel-kit';
import { DAY_MS, formatOrderNo, groupTag, money, ORDER_EPOCH_MS } from '@tillmesh/domain';
import { describe, expect, test } from 'vitest';
import { askRefund, refundOrder } from '../src/refund.ts';
import { ABOUT, callAnswered, type Fields, NOW_MS, order, PAID, signedBy, written } from './unionpay-peer.ts';

const refund = (more: Partial<RefundRequest> = {}): RefundRequest => ({
  order: order({ channelTransactionId: '202611221200001234567' }),
  // Not one of our numbers: the order's time counts.
  refundNo: '12611220001440000010010099',
  amount: money('CNY', 100n),
  reason: '',
  notifyUrl: '',
  ...more,
});
const NAMED: Fields = { ...ABOUT, orderId: refund().refundNo };
const TAKEN: Fields = {
  ...NAMED,
  respCode: '00',
  txnAmt: '100',
  currencyCode: '156',
  queryId: '202611221200009999999',
};
const answering = (fields: Fields) => callAnswered(written(signedBy(fields)));

describe('a refund that is asked for', () => {
  test('names the payment by UnionPay’s number, and is on its way once it was taken', async () => {
    const call = answering(TAKEN);
    expect(await refundOrder(refund(), call)).toMatchObject({ state: 'processing', refunded: { minorUnits: 100n } });
    expect(call.sent).toHaveLength(1);
    expect(Object.fromEntries(new URLSearchParams(call.sent[0]?.body?.toString() ?? ''))).toMatchObject({
      txnType: '04',
      orderId: refund().refundNo,
      origQryId: '202611221200001234567',
      txnAmt: '100',
    });
  });

  test('is an undo where it is all of a payment of the same day and the account has the undo', async () => {
    const typeOf = async (wish: Partial<RefundRequest>, undoSameDay: boolean): Promise<string | undefined> => {
      const call = answering(TAKEN);
      await refundOrder(refund(wish), { ...call, account: { ...call.account, undoSameDay } });
      return Object.fromEntries(new URLSearchParams(call.sent[0]?.body?.toString() ?? ''))['txnType'];
    };
    const whole = { amount: order().amount };
    expect(await typeOf(whole, true)).toBe('31');
    expect(await typeOf(whole, false)).toBe('04');
    expect(await typeOf({ amount: money('CNY', 887n) }, true)).toBe('04');
    // A number of ours says its day, and that stays the same whenever it is repeated.
    const nextDay = formatOrderNo({
      day: Math.floor((NOW_MS - ORDER_EPOCH_MS) / DAY_MS) + 1,
      msOfDay: 0,
      groupTag: groupTag(1),
      workerId: 1,
      sequence: 1,
    });
    expect(await typeOf({ ...whole, refundNo: nextDay }, true)).toBe('04');
  });

  test('asks for UnionPay’s number where nobody has it yet', async () => {
    const call = callAnswered((request) => written(signedBy(request.path.includes('query') ? PAID : TAKEN)));
    expect(await refundOrder(refund({ order: order() }), call)).toMatchObject({ state: 'processing' });
    expect(call.sent.map(({ path }) => path)).toEqual(['/gateway/api/queryTrans.do', '/gateway/api/backTransReq.do']);
  });

  test('of a payment that UnionPay does not call paid is not sent', async () => {
    const call = answering({ ...ABOUT, respCode: '34' });
    expect(await refundOrder(refund({ order: order() }), call)).toMatchObject({ state: 'unknown' });
    expect(call.sent.map(({ path }) => path)).toEqual(['/gateway/api/queryTrans.do']);
  });

  test.each([
    ['of another refund', { orderId: '12611220001440000010010077' }],
    ['of another merchant', { merId: '777290058110099' }],
    ['of another amount', { txnAmt: '99' }],
  ])('an answer that speaks %s leaves it open', async (_, change) => {
    expect(await refundOrder(refund(), answering({ ...TAKEN, ...change }))).toMatchObject({ state: 'unknown' });
  });

  test.each([undefined, '', '<html>', 'respCode=00', written({ ...TAKEN, signature: 'AAAA' })])(
    'an answer that is none (%s) leaves it open',
    async (body) => {
      expect(await refundOrder(refund(), callAnswered(body))).toMatchObject({ state: 'unknown' });
    },
  );
});

describe('a refund that is asked after', () => {
  test.each([
    ['00', 'succeeded'],
    ['03', 'processing'],
    ['04', 'processing'],
    ['05', 'processing'],
    ['01', 'unknown'],
    ['', 'unknown'],
  ])('with the state %s is %s', async (origRespCode, state) => {
    expect(await askRefund(refund(), answering({ ...TAKEN, origRespCode }))).toMatchObject({ state });
  });

  test('is not there only where the answer speaks of it', async () => {
    const missing = { ...NAMED, respCode: '34' };
    expect(await askRefund(refund(), answering(missing))).toMatchObject({ state: 'unknown', refundNotFound: true });
    for (const other of [{ orderId: '12611220001440000010010077' }, { txnTime: '20261122120001' }]) {
      expect(await askRefund(refund(), answering({ ...missing, ...other }))).toMatchObject({
        state: 'unknown',
        refundNotFound: false,
      });
    }
    expect(await askRefund(refund(), callAnswered(written(missing)))).toMatchObject({ refundNotFound: false });
  });

  test('by day is asked after for the day it was begun on', async () => {
    const call = answering(TAKEN);
    await askRefund(refund(), call);
    const sent = Object.fromEntries(new URLSearchParams(call.sent[0]?.body?.toString() ?? ''));
    expect(sent['txnTime']).toBe('20261122120000');
    expect(NOW_MS).toBe(order().createdAtMs);
  });
});
