import type { AlarmNews } from '@tillmesh/alarms';
import { RefundCause } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { expect, test } from 'vitest';
import { raiseAlarms, surplusOf } from '../src/raise-alarms.ts';

const told = (...of: Parameters<typeof raiseAlarms> extends [unknown, ...infer Rest] ? Rest : never) => {
  const raised: AlarmNews[] = [];
  const ended: string[] = [];
  raiseAlarms({ raise: (news) => raised.push(news), end: ({ name }) => ended.push(name) }, ...of);
  return { raised, ended };
};
const payment = { kind: 'payment', number: '1' } as const;
const refund = { kind: 'refund', number: '2' } as const;
const open = { settled: false, needsPerson: '', surplus: undefined };

test('what is open and calls for nobody raises nothing', () => {
  expect(told(payment, open)).toEqual({ raised: [], ended: [] });
  expect(told(refund, open)).toEqual({ raised: [], ended: [] });
});

test('what calls for a person is urgent until it is settled', () => {
  expect(told(payment, { ...open, needsPerson: 'why' }).raised).toEqual([
    { name: 'payment_unfinished', severity: 'urgent', labels: { order_no: '1' }, summary: 'why' },
  ]);
  expect(told(refund, { ...open, needsPerson: 'why' }).raised).toMatchObject([
    { name: 'refund_unfinished', labels: { refund_no: '2' } },
  ]);
  expect(told(payment, { ...open, needsPerson: 'why', settled: true })).toEqual({
    raised: [],
    ended: ['payment_unfinished'],
  });
});

test('money that goes back by itself is told of; two paid orders of one number are the gravest', () => {
  expect(surplusOf({ cause: RefundCause.MERCHANT, merchantRefundNo: 'second-of-1' })).toBeUndefined();
  expect(surplusOf({ cause: RefundCause.SURPLUS, merchantRefundNo: 'surplus-1' })).toBe('surplus_money');
  expect(surplusOf({ cause: RefundCause.SURPLUS, merchantRefundNo: 'second-of-1' })).toBe('second_order');
  expect(told(refund, { ...open, surplus: 'surplus_money' }).raised).toMatchObject([{ severity: 'watch' }]);
  expect(told(refund, { ...open, surplus: 'second_order' }).raised).toMatchObject([{ severity: 'urgent' }]);
  expect(told(refund, { ...open, surplus: 'second_order', settled: true })).toEqual({
    raised: [],
    ended: ['refund_unfinished', 'second_order'],
  });
});
