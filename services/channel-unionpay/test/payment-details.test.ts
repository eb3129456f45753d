import { readDetails } from '@tillmesh/channel-kit';
import { type ChannelTransactionId, money, type Outcome } from '@tillmesh/domain';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { detailsOfOrder } from '../src/protocol.ts';

const cny = (minorUnits: bigint) => money('CNY', minorUnits);
const success: Outcome = {
  kind: 'succeeded',
  paid: cny(1_000n),
  channelTransactionId: '2026' as ChannelTransactionId,
  paidAtMs: 1,
};
const coupons = [
  { type: 'CP01', spnsrId: '777290058110048', offstAmt: '100', id: '3102019120204935', desc: '满减' },
  { type: 'DD01', spnsrId: '00010000', offstAmt: '50', id: '3102019120204936' },
  { type: 'CP02', spnsrId: '01020000', offstAmt: '20', id: '3102019120204937' },
];
const fields = {
  accNo: '6226388000000095',
  payCardType: '01',
  settleAmt: '900',
  settleCurrencyCode: '156',
  couponInfo: JSON.stringify(coupons),
};
const read = (changes: Readonly<Record<string, string>> = {}) =>
  readDetails(success, detailsOfOrder({ ...fields, ...changes }));

test('coupons are told with who bears them, what the payer paid follows, and of a card the end alone', () => {
  expect(read()).toEqual({
    details: {
      payerId: undefined,
      payerAccount: '**** 0095',
      funding: { kind: 'debit', source: 'payCardType 01' },
      discounts: [
        { kind: 'coupon', name: '满减', id: '3102019120204935', amount: cny(100n), fundedBy: 'merchant' },
        { kind: 'reduction', name: '', id: '3102019120204936', amount: cny(50n), fundedBy: 'channel' },
        { kind: 'coupon', name: '', id: '3102019120204937', amount: cny(20n), fundedBy: 'other' },
      ],
      payerPaid: cny(830n),
      settled: cny(900n),
    },
    leftOut: [],
  });
});

test('couponInfo may be base64, and without one there is no discount', () => {
  expect(read({ couponInfo: Buffer.from(fields.couponInfo).toString('base64') })).toEqual(read());
  expect(read({ couponInfo: '' })?.details).toMatchObject({ discounts: [], payerPaid: cny(1_000n) });
});

for (const [what, changes, leftOut] of [
  ['coupons that are no list', { couponInfo: '{"offstAmt":"100"}' }, [{ field: 'discounts', why: 'unreadable' }]],
  ['coupons that are no JSON', { couponInfo: '[{' }, [{ field: 'discounts', why: 'unreadable' }]],
  ['a negative coupon', { couponInfo: '[{"offstAmt":"-1"}]' }, [{ field: 'discounts', why: 'unreadable' }]],
  ['coupons above the amount', { couponInfo: '[{"offstAmt":"1001"}]' }, [{ field: 'discounts', why: 'too_much' }]],
  ['a currency that nobody listed', { settleCurrencyCode: '999' }, [{ field: 'settled', why: 'unreadable' }]],
  ['an account that is encrypted', { accNo: 'Bd0aYZ+/=' }, [{ field: 'payerAccount', why: 'unreadable' }]],
  ['a card of no known form', { payCardType: 'X' }, [{ field: 'funding', why: 'unreadable' }]],
] as const) {
  test(`${what}: left out, and counted`, () => {
    expect(read(changes)?.leftOut).toEqual(leftOut);
  });
}

test('whatever stands in an answer, reading its details does not throw', () => {
  const anything = fc.oneof(fc.string({ unit: 'binary' }), fc.json());
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(fields)), anything, (name, value) => {
      expect(read({ [name]: value })).toBeDefined();
    }),
    { numRuns: 1_000 },
  );
});
