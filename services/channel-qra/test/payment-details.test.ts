import { readDetails } from '@tillmesh/channel-kit';
import { type ChannelTransactionId, money, type Outcome } from '@tillmesh/domain';
import { expect, test } from 'vitest';
import { detailsOfPayment } from '../src/protocol.ts';

const cny = (minorUnits: bigint) => money('CNY', minorUnits);
const success: Outcome = {
  kind: 'succeeded',
  paid: cny(1_000n),
  channelTransactionId: '1' as ChannelTransactionId,
  paidAtMs: 1,
};
const read = (fields: Readonly<Record<string, string>>) => readDetails(success, detailsOfPayment(fields));

test('the payer at the wallet, the bank, coupons and cash are told', () => {
  expect(
    read({ sub_openid: 'o-2', openid: 'o-1', bank_type: 'CMB_DEBIT', cash_fee: '900', coupon_fee: '100' }),
  ).toMatchObject({
    details: {
      payerId: 'o-2',
      funding: { source: 'CMB_DEBIT' },
      discounts: [{ amount: cny(100n), fundedBy: 'other' }],
      payerPaid: cny(900n),
      settled: undefined,
    },
    leftOut: [],
  });
});

test('coupons and cash that are not the amount are left out', () => {
  expect(read({ cash_fee: '901', coupon_fee: '100' })?.leftOut).toHaveLength(2);
  expect(read({ cash_fee: '-1' })?.leftOut).toEqual([{ field: 'payerPaid', why: 'unreadable' }]);
});
