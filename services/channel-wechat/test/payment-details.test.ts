import { readDetails } from '@tillmesh/channel-kit';
import { type ChannelTransactionId, money, type Outcome } from '@tillmesh/domain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { detailsOfTransaction, detailsOfV2 } from '../src/protocol.ts';

const cny = (minorUnits: bigint) => money('CNY', minorUnits);
const TOTAL = cny(1_000n);
const success: Outcome = {
  kind: 'succeeded',
  paid: TOTAL,
  channelTransactionId: '4200' as ChannelTransactionId,
  paidAtMs: 1,
};

const promotion = {
  coupon_id: '109519',
  name: '单品惠-6',
  scope: 'SINGLE',
  type: 'CASH',
  amount: 300,
  stock_id: '931386',
  wechatpay_contribute: 100,
  merchant_contribute: 150,
  other_contribute: 50,
  currency: 'CNY',
};
const transaction = {
  payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
  bank_type: 'CMB_CREDIT',
  amount: { total: 1_000, payer_total: 700, currency: 'CNY', payer_currency: 'CNY' },
  promotion_detail: [promotion],
};
const ofTransaction = (changes: object) =>
  readDetails(success, detailsOfTransaction({ ...transaction, ...changes }, TOTAL));

describe('of a v3 transaction', () => {
  test('a coupon that three bear is three discounts, and only the merchant’s part is not settled', () => {
    const coupon = { kind: 'coupon', name: '单品惠-6', id: '109519' };
    expect(ofTransaction({})).toEqual({
      details: {
        payerId: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o',
        payerAccount: undefined,
        funding: { kind: 'credit', source: 'CMB_CREDIT' },
        discounts: [
          { ...coupon, amount: cny(100n), fundedBy: 'channel' },
          { ...coupon, amount: cny(150n), fundedBy: 'merchant' },
          { ...coupon, amount: cny(50n), fundedBy: 'other' },
        ],
        payerPaid: cny(700n),
        settled: cny(850n),
      },
      leftOut: [],
    });
  });

  test('a payer who paid all had no discount, whether the list is empty or left out', () => {
    const amount = { ...transaction.amount, payer_total: 1_000 };
    for (const changes of [{ promotion_detail: [] }, { promotion_detail: undefined }]) {
      expect(ofTransaction({ amount, ...changes })?.details).toMatchObject({ discounts: [], settled: TOTAL });
    }
  });

  test('discounts that are not told stay open, and so does what is settled', () => {
    expect(ofTransaction({ promotion_detail: undefined })?.details).toMatchObject({
      discounts: undefined,
      payerPaid: cny(700n),
      settled: undefined,
    });
  });

  for (const [what, changes, field] of [
    ['a negative amount', { promotion_detail: [{ ...promotion, amount: -300 }] }, 'discounts'],
    ['an amount that is text', { promotion_detail: [{ ...promotion, amount: '300' }] }, 'discounts'],
    ['parts that are not the whole', { promotion_detail: [{ ...promotion, other_contribute: 51 }] }, 'discounts'],
    ['one coupon that cannot be read', { promotion_detail: [promotion, 7] }, 'discounts'],
    ['a list that is none', { promotion_detail: { 0: promotion } }, 'discounts'],
    ['a payer id that is a number', { payer: { openid: 7 } }, 'payerId'],
    ['a bank that is an object', { bank_type: {} }, 'funding'],
  ] as const) {
    test(`${what} costs its own field alone`, () => {
      const read = ofTransaction(changes);
      expect(read?.leftOut).toEqual([{ field, why: 'unreadable' }]);
      expect(read?.details[field]).toBeUndefined();
    });
  }

  test('half a fen is left out, and what the payer paid follows from the discounts', () => {
    const read = ofTransaction({ amount: { ...transaction.amount, payer_total: 699.5 } });
    expect(read).toMatchObject({
      details: { payerPaid: cny(700n) },
      leftOut: [{ field: 'payerPaid', why: 'unreadable' }],
    });
  });

  test('a sum that is not the total costs discounts and payer’s part', () => {
    const read = ofTransaction({ amount: { ...transaction.amount, payer_total: 701 } });
    expect(read?.leftOut.map(({ why }) => why)).toEqual(['sum_does_not_fit', 'sum_does_not_fit']);
    expect(read?.details).toMatchObject({ discounts: undefined, payerPaid: undefined, payerId: expect.any(String) });
  });
});

const v2 = {
  openid: 'wxd930ea5d5a258f4f',
  bank_type: 'CFT',
  fee_type: 'CNY',
  total_fee: '1000',
  cash_fee: '700',
  settlement_total_fee: '900',
  coupon_fee: '300',
  coupon_count: '2',
  coupon_id_0: '10000',
  coupon_type_0: 'NO_CASH',
  coupon_fee_0: '100',
  coupon_id_1: '20000',
  coupon_type_1: 'CASH',
  coupon_fee_1: '200',
};
const ofV2 = (changes: Readonly<Record<string, string>> = {}) =>
  readDetails(success, detailsOfV2({ ...v2, ...changes }, TOTAL));

describe('of a v2 answer', () => {
  test('coupons are told one by one, and what is settled', () => {
    expect(ofV2()).toMatchObject({
      details: {
        payerId: 'wxd930ea5d5a258f4f',
        funding: { kind: 'balance', source: 'CFT' },
        discounts: [
          { id: '10000', amount: cny(100n), fundedBy: 'merchant' },
          { id: '20000', amount: cny(200n), fundedBy: 'channel' },
        ],
        payerPaid: cny(700n),
        settled: cny(900n),
      },
      leftOut: [],
    });
  });

  for (const [what, changes, leftOut] of [
    ['coupons that are not their sum', { coupon_fee_1: '201' }, ['discounts']],
    ['a count of a thousand', { coupon_count: '1000' }, ['discounts']],
    ['a count that is none', { coupon_count: 'x' }, ['discounts']],
    ['a negative sum', { cash_fee: '-1' }, ['payerPaid']],
    ['a settlement above the total', { settlement_total_fee: '1001' }, ['settled']],
  ] as const) {
    test(`${what} is left out`, () => {
      expect(ofV2(changes)?.leftOut.map(({ field }) => field)).toEqual(leftOut);
    });
  }
});

test('whatever stands in an answer, reading its details neither throws nor tells what does not add up', () => {
  const anything = fc.anything({ maxDepth: 4 });
  const damaged = fc
    .tuple(fc.constantFrom('payer', 'bank_type', 'amount', 'promotion_detail'), anything)
    .map(([name, value]) => ({ ...transaction, [name]: value }));
  fc.assert(
    fc.property(fc.oneof(damaged, fc.dictionary(fc.string(), anything)), (content) => {
      const read = readDetails(success, detailsOfTransaction(content, TOTAL));
      const off = (read?.details.discounts ?? []).reduce((sum, { amount }) => sum + amount.minorUnits, 0n);
      if (read?.details.discounts !== undefined) {
        expect(off + (read.details.payerPaid?.minorUnits ?? -1n)).toBe(TOTAL.minorUnits);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('an answer that is no success tells no details', () => {
  expect(readDetails({ kind: 'processing' }, detailsOfTransaction(transaction, TOTAL))).toBeUndefined();
});
