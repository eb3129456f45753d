import { describe, expect, test } from 'vitest';
import {
  isFinalPayment,
  merchantEventId,
  merchantEventKindOf,
  type OrderNo,
  PAYMENT_STATES,
  REFUND_STATES,
} from '../src/index.ts';

describe('what merchants are told of', () => {
  test('is every end of a payment, and none of its ways', () => {
    const told = PAYMENT_STATES.filter((state) => merchantEventKindOf({ event: 'payment_moved', state }) !== undefined);
    expect(told).toEqual(PAYMENT_STATES.filter((state) => isFinalPayment(state) && state !== 'void'));
  });

  test('is the end of a refund, and not the end of a payment by the same word', () => {
    const told = REFUND_STATES.map((state) => merchantEventKindOf({ event: 'refund_moved', state }));
    expect(told.filter((kind) => kind !== undefined)).toEqual(['refund_succeeded', 'refund_failed']);
    expect(merchantEventKindOf({ event: 'payment_noted', state: 'succeeded' })).toBeUndefined();
    expect(merchantEventKindOf({ event: 'refund_created', state: 'requested' })).toBeUndefined();
  });

  test('has an id that is the same however often it is told', () => {
    expect(merchantEventId('2611270123456789001002034' as OrderNo, 3, 'payment_succeeded')).toBe(
      '2611270123456789001002034.3.payment_succeeded',
    );
  });
});
